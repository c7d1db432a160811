"""case-study.json -> ../case-study.docx (python-docx) and ../case-study.pdf (WeasyPrint)."""
import datetime
import html
import json
import pathlib

import docx
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.opc.constants import RELATIONSHIP_TYPE as RT
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Cm, Pt, RGBColor
from weasyprint import HTML

import fixed_zip

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent
CASE = json.loads((HERE / "case-study.json").read_text("utf-8"))
FOOTNOTES_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"


def footnotes_part(package, notes):
    special = "".join(
        f'<w:footnote w:type="{kind}" w:id="{i}"><w:p><w:r><w:{tag}/></w:r></w:p></w:footnote>'
        for i, kind, tag in ((-1, "separator", "separator"), (0, "continuationSeparator", "continuationSeparator"))
    )
    own = "".join(
        f'<w:footnote w:id="{i}"><w:p><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:footnoteRef/></w:r>'
        f'<w:r><w:t xml:space="preserve"> {html.escape(text, quote=False)}</w:t></w:r></w:p></w:footnote>'
        for i, text in enumerate(notes, 1)
    )
    blob = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<w:footnotes {nsdecls("w")}>{special}{own}</w:footnotes>'
    return Part(PackURI("/word/footnotes.xml"), FOOTNOTES_TYPE, blob.encode("utf-8"), package)


def make_docx():
    d = docx.Document()
    when = datetime.datetime.fromisoformat(CASE["created"].replace("Z", "+00:00")).replace(tzinfo=None)
    p = d.core_properties
    p.title, p.author, p.subject = CASE["title"] + ": " + CASE["subtitle"], "Larkfield School of Retail (fictional)", "Sample document"
    p.created = p.modified = when
    p.last_modified_by, p.comments, p.revision = "", "", 1
    s = d.sections[0]
    s.page_width, s.page_height = Cm(21), Cm(29.7)
    s.left_margin = s.right_margin = Cm(2.6)
    s.header.paragraphs[0].text = CASE["meta"]
    normal = d.styles["Normal"]
    normal.font.name, normal.font.size = "Calibri", Pt(11)
    normal.paragraph_format.space_after = Pt(6)
    for name in ("Title", "Heading 1"):
        d.styles[name].font.color.rgb = RGBColor(0x24, 0x38, 0x2F)
    d.add_heading(CASE["title"], 0)
    d.add_paragraph(CASE["subtitle"], style="Subtitle")
    notes = []
    for kind, *args in CASE["blocks"]:
        if kind == "h":
            d.add_heading(args[0], 1)
        elif kind == "p":
            par = d.add_paragraph(args[0])
            if len(args) > 1:
                notes.append(args[1])
                run = par.add_run()
                run.font.superscript = True
                ref = OxmlElement("w:footnoteReference")
                ref.set(qn("w:id"), str(len(notes)))
                run._r.append(ref)
        elif kind in ("list", "olist"):
            for item in args[0]:
                d.add_paragraph(item, style="List Bullet" if kind == "list" else "List Number")
        elif kind == "quote":
            d.add_paragraph(f"“{args[0]}”", style="Intense Quote")
            d.add_paragraph("— " + args[1])
        elif kind == "table":
            d.add_paragraph(args[0], style="Caption")
            rows = args[1]
            t = d.add_table(rows=0, cols=len(rows[0]), style="Light Grid Accent 1")
            t.alignment = WD_TABLE_ALIGNMENT.CENTER
            for row in rows:
                for cell, text in zip(t.add_row().cells, row):
                    cell.text = text
            d.add_paragraph()
    d.part.relate_to(footnotes_part(d.part.package, notes), RT.FOOTNOTES)
    path = OUT / "case-study.docx"
    d.save(path)
    fixed_zip.fix(path)
    print(f"{path.name}: {path.stat().st_size} bytes")


CSS = """
@page { size: A4; margin: 26mm 29mm 24mm; @top-left { content: "The Trail Pantry"; font: 400 8pt Lato; color: #666 }
  @top-right { content: "Case study 2026/07"; font: 400 8pt Lato; color: #666 }
  @bottom-center { content: counter(page); font: 400 8.5pt Lato; color: #444 }
  @footnote { border-top: .4pt solid #888; padding-top: 1.5mm } }
html { font: 11pt/1.4 "EB Garamond 12"; color: #1f1d1a; font-variant-numeric: lining-nums }
h1 { font: 700 27pt/1.1 Lato; color: #24382f; margin: 0 0 2mm } .sub { font: 300 14pt/1.3 Lato; margin: 0 0 2mm; color: #5b4a36 }
.meta { font: 400 8.5pt Lato; color: #666; border-bottom: .6pt solid #c0702c; padding-bottom: 3mm; margin: 0 0 5mm }
h2 { font: 700 12.5pt/1.2 Lato; color: #24382f; margin: 5.5mm 0 1.5mm; break-after: avoid } p { margin: 0 0 2.2mm; hyphens: auto; text-align: justify; orphans: 2; widows: 2 }
.t { break-inside: avoid } h2 + .t { break-before: avoid }
ul, ol { margin: 1mm 0 3mm; padding-left: 6mm } li { margin-bottom: 1mm }
table { width: 100%; border-collapse: collapse; font: 400 9pt/1.35 Lato; margin: 2mm 0 4mm; break-inside: avoid } caption { text-align: left; font: 400 8.5pt Lato; padding-bottom: 1.5mm }
th { text-align: left; background: #24382f; color: #fff; padding: 1.3mm 2mm } td { padding: 1.2mm 2mm; border-bottom: .4pt solid #d6ccba }
blockquote { margin: 4mm 8mm; font: italic 14pt/1.3 "EB Garamond 12"; color: #7a4b2a; break-inside: avoid } blockquote footer { font: 400 8.5pt Lato; margin-top: 1.5mm; color: #444 }
.fn { float: footnote; font: 400 8pt/1.35 Lato; text-align: left } ::footnote-call { font-size: 65%; vertical-align: super; line-height: 0 }
"""


def make_pdf():
    e = lambda s: html.escape(s, quote=False)
    o = [f'<html lang="en-GB"><head><meta charset="utf-8"><title>{e(CASE["title"])}: {e(CASE["subtitle"])}</title>'
         f'<meta name="author" content="Larkfield School of Retail (fictional)"><meta name="dcterms.created" content="{CASE["created"]}">'
         f'<meta name="dcterms.modified" content="{CASE["created"]}"><style>{CSS}</style></head><body>'
         f'<h1>{e(CASE["title"])}</h1><p class="sub">{e(CASE["subtitle"])}</p><p class="meta">{e(CASE["meta"])}</p>']
    for kind, *args in CASE["blocks"]:
        if kind == "h":
            o.append(f"<h2>{e(args[0])}</h2>")
        elif kind == "p":
            note = f'<span class="fn">{e(args[1])}</span>' if len(args) > 1 else ""
            o.append(f"<p>{e(args[0])}{note}</p>")
        elif kind in ("list", "olist"):
            tag = "ul" if kind == "list" else "ol"
            o.append(f"<{tag}>" + "".join(f"<li>{e(i)}</li>" for i in args[0]) + f"</{tag}>")
        elif kind == "quote":
            o.append(f"<blockquote>“{e(args[0])}”<footer>— {e(args[1])}</footer></blockquote>")
        elif kind == "table":
            head, *rows = args[1]
            o.append(f"<div class=t><table><caption>{e(args[0])}</caption><tr>" + "".join(f"<th>{e(c)}</th>" for c in head) + "</tr>"
                     + "".join("<tr>" + "".join(f"<td>{e(c)}</td>" for c in r) + "</tr>" for r in rows) + "</table></div>")
    doc = HTML(string="\n".join(o) + "</body></html>", base_url=str(HERE)).render()
    path = OUT / "case-study.pdf"
    doc.write_pdf(str(path), pdf_identifier=b"innovation-pipeline-case-study")
    print(f"{path.name}: {len(doc.pages)} pages, {path.stat().st_size} bytes")


make_docx()
make_pdf()
