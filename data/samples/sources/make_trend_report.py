"""trend-report.html + trend-report.css -> ../trend-report.pdf (WeasyPrint)."""
import logging
import pathlib

from weasyprint import HTML

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "trend-report.pdf"

logging.getLogger("weasyprint").addHandler(logging.StreamHandler())
document = HTML(str(HERE / "trend-report.html")).render()
document.write_pdf(str(OUT), pdf_identifier=b"innovation-pipeline-trend-report")
print(f"{OUT.name}: {len(document.pages)} pages, {OUT.stat().st_size} bytes")
