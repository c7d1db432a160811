"""../borrowed-kitchen.* : one story as ODT, RTF, EPUB, mail, saved page and slides, and its table as XLSX, ODS and CSV.

Plain Python, so that the files hold what is written here and nothing that an office program adds.
"""
import csv
import datetime
import html
import io
import json
import pathlib
import quopri
import zipfile

import fixed_zip

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent
STORY = json.loads((HERE / "borrowed-kitchen.json").read_text(encoding="utf-8"))
TITLE, AUTHOR, CHAPTERS, TABLE = STORY["title"], STORY["author"], STORY["chapters"], STORY["table"]
HEADER, *ROWS = TABLE["rows"]
esc = html.escape


def pack(name, parts, first=None):
    """Writes a ZIP container. `first` is the part that must come first and uncompressed (`mimetype`)."""
    path = OUT / name
    with zipfile.ZipFile(path, "w") as z:
        for part, text in parts.items():
            z.writestr(part, text)
    fixed_zip.fix(path)
    if first:
        with zipfile.ZipFile(path) as z:
            entries = [(i, z.read(i)) for i in z.infolist()]
        stamp = entries[0][0].date_time
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
            z.writestr(zipfile.ZipInfo("mimetype", stamp), first)
            for info, data in entries:
                z.writestr(info, data)


def page(chapters, extra=""):
    """The story as the body of a web page."""
    out = [f"<h1>{esc(TITLE)}</h1>", f"<p>{esc(AUTHOR)}, {STORY['date']}</p>"]
    for chapter in chapters:
        out.append(f"<h2>{esc(chapter['heading'])}</h2>")
        out += [f"<p>{esc(text)}</p>" for text in chapter["paragraphs"]]
        if "list" in chapter:
            out.append("<ol>" + "".join(f"<li>{esc(item)}</li>" for item in chapter["list"]) + "</ol>")
    return "\n".join(out) + extra


def html_table():
    cell = lambda tag, value: f"<{tag}>{esc(str(value))}</{tag}>"
    rows = ["".join(cell("th", name) for name in HEADER)] + ["".join(cell("td", v) for v in row) for row in ROWS]
    return "\n<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


# OpenDocument ---------------------------------------------------------------------------------------------------------

NAMES = " ".join(f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{long}:1.0"' for short, long in [
    ("office", "office"), ("text", "text"), ("table", "table"), ("style", "style"), ("draw", "drawing"),
    ("presentation", "presentation"), ("number", "datastyle"), ("meta", "meta"), ("svg", "svg-compatible"),
    ("fo", "xsl-fo-compatible")]) + ' xmlns:dc="http://purl.org/dc/elements/1.1/"'


def odf(name, kind, body, styles=""):
    mime = f"application/vnd.oasis.opendocument.{kind}"
    meta = (f'<?xml version="1.0" encoding="UTF-8"?><office:document-meta {NAMES} office:version="1.3"><office:meta>'
            f"<dc:title>{TITLE}</dc:title><dc:creator>{AUTHOR}</dc:creator></office:meta></office:document-meta>")
    content = (f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {NAMES} office:version="1.3">'
               f"<office:automatic-styles>{styles}</office:automatic-styles><office:body>{body}</office:body>"
               "</office:document-content>")
    entry = lambda path, of: f'<manifest:file-entry manifest:full-path="{path}" manifest:media-type="{of}"/>'
    manifest = ('<?xml version="1.0" encoding="UTF-8"?><manifest:manifest manifest:version="1.3" '
                'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
                + entry("/", mime) + entry("content.xml", "text/xml") + entry("meta.xml", "text/xml")
                + "</manifest:manifest>")
    pack(name, {"content.xml": content, "meta.xml": meta, "META-INF/manifest.xml": manifest}, first=mime)


def odt():
    out = [f'<text:h text:outline-level="1">{esc(TITLE)}</text:h>']
    for chapter in CHAPTERS:
        out.append(f'<text:h text:outline-level="2">{esc(chapter["heading"])}</text:h>')
        out += [f"<text:p>{esc(text)}</text:p>" for text in chapter["paragraphs"]]
        if "list" in chapter:
            items = "".join(f"<text:list-item><text:p>{esc(item)}</text:p></text:list-item>" for item in chapter["list"])
            out.append(f'<text:list text:style-name="L1">{items}</text:list>')
    rows = "".join("<table:table-row>" + "".join(
        f'<table:table-cell office:value-type="string"><text:p>{esc(str(v))}</text:p></table:table-cell>' for v in row)
        + "</table:table-row>" for row in TABLE["rows"])
    out.append(f'<table:table table:name="{TABLE["name"]}"><table:table-column '
               f'table:number-columns-repeated="{len(HEADER)}"/>{rows}</table:table>')
    bullets = ('<text:list-style style:name="L1"><text:list-level-style-bullet text:level="1" text:bullet-char="•"/>'
               "</text:list-style>")
    odf("borrowed-kitchen.odt", "text", f'<office:text>{"".join(out)}</office:text>', bullets)


def odp():
    frame = lambda kind, text: (f'<draw:frame presentation:class="{kind}" svg:x="2cm" svg:y="{2 if kind == "title" else 6}cm" '
                                f'svg:width="24cm" svg:height="3cm"><draw:text-box>{text}</draw:text-box></draw:frame>')
    par = lambda text: f"<text:p>{esc(text)}</text:p>"
    slides = [frame("title", par(TITLE)) + frame("subtitle", par(f"{AUTHOR}, {STORY['date']}"))]
    for chapter in CHAPTERS:
        texts = chapter.get("list") or chapter["paragraphs"]
        notes = f"<presentation:notes>{frame('notes', par(chapter['paragraphs'][0]))}</presentation:notes>"
        slides.append(frame("title", par(chapter["heading"])) + frame("outline", "".join(par(t) for t in texts)) + notes)
    pages = "".join(f'<draw:page draw:name="slide{n}">{slide}</draw:page>' for n, slide in enumerate(slides, 1))
    odf("borrowed-kitchen.odp", "presentation", f"<office:presentation>{pages}</office:presentation>")


def ods():
    def cell(column, value):
        if column == 4:
            return (f'<table:table-cell table:style-name="date" office:value-type="date" office:date-value="{value}">'
                    f"<text:p>{value}</text:p></table:table-cell>")
        if column == 0:
            return f'<table:table-cell office:value-type="string"><text:p>{esc(value)}</text:p></table:table-cell>'
        kind, shown = ("percentage", f"{value:.0%}") if column == 2 else ("float", shown_number(column, value))
        return (f'<table:table-cell office:value-type="{kind}" office:value="{value}"><text:p>{shown}</text:p>'
                "</table:table-cell>")
    names = "".join(cell(0, name) for name in HEADER)
    rows = "".join("<table:table-row>" + "".join(cell(c, v) for c, v in enumerate(row)) + "</table:table-row>"
                   for row in ROWS)
    odf("borrowed-kitchen.ods", "spreadsheet",
        f'<office:spreadsheet><table:table table:name="{TABLE["name"]}"><table:table-row>{names}</table:table-row>{rows}'
        "</table:table></office:spreadsheet>")


def shown_number(column, value):
    return f"{value:,.2f}" if column == 3 else f"{value:,}"


# Sheets ---------------------------------------------------------------------------------------------------------------

def xlsx():
    """Shared strings, number formats and a date as Excel writes them."""
    strings = list(dict.fromkeys(HEADER + [row[0] for row in ROWS]))
    days = lambda text: (datetime.date.fromisoformat(text) - datetime.date(1899, 12, 30)).days

    def cell(row, column, value):
        place = f"{'ABCDE'[column]}{row}"
        if isinstance(value, str) and not (row > 1 and column == 4):
            return f'<c r="{place}" t="s"><v>{strings.index(value)}</v></c>'
        value = days(value) if column == 4 else value
        return f'<c r="{place}" s="{column}"><v>{value}</v></c>'

    rows = "".join(f'<row r="{r}">' + "".join(cell(r, c, v) for c, v in enumerate(row)) + "</row>"
                   for r, row in enumerate(TABLE["rows"], 1))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    links = "http://schemas.openxmlformats.org/package/2006/relationships"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    formats = ["0", "3", "9", "164", "14"]
    cell_formats = "".join(f'<xf numFmtId="{n}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
                           for n in formats)
    link = lambda n, kind, to: f'<Relationship Id="rId{n}" Type="{office}/{kind}" Target="{to}"/>'
    pack("borrowed-kitchen.xlsx", {
        "[Content_Types].xml": f'{head}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kinds}.worksheet+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{kinds}.styles+xml"/>'
            f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kinds}.sharedStrings+xml"/></Types>',
        "_rels/.rels": f'{head}<Relationships xmlns="{links}">{link(1, "officeDocument", "xl/workbook.xml")}</Relationships>',
        "xl/workbook.xml": f'{head}<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
            f'<sheet name="{TABLE["name"]}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{head}<Relationships xmlns="{links}">{link(1, "worksheet", "worksheets/sheet1.xml")}'
            f'{link(2, "styles", "styles.xml")}{link(3, "sharedStrings", "sharedStrings.xml")}</Relationships>',
        "xl/worksheets/sheet1.xml": f'{head}<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
        "xl/styles.xml": f'{head}<styleSheet xmlns="{main}"><numFmts count="1">'
            '<numFmt numFmtId="164" formatCode="&quot;€&quot;#,##0.00"/></numFmts>'
            '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
            '<fills count="1"><fill><patternFill patternType="none"/></fill></fills>'
            "<borders count=\"1\"><border/></borders><cellStyleXfs count=\"1\"><xf/></cellStyleXfs>"
            f'<cellXfs count="{len(formats)}">{cell_formats}</cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f'{head}<sst xmlns="{main}">' + "".join(f"<si><t>{esc(s)}</t></si>" for s in strings) + "</sst>",
    })


def csv_file():
    """As a European spreadsheet exports it: semicolons and decimal commas, in Windows-1252."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in ROWS:
        writer.writerow([str(v).replace(".", ",") if isinstance(v, float) else v for v in row] )
    writer.writerow(["Note: an hour costs €4.20; the café pays half", "", "", "", ""])
    (OUT / "borrowed-kitchen.csv").write_bytes(out.getvalue().encode("cp1252"))


# Books, mails, pages and RTF ------------------------------------------------------------------------------------------

def epub():
    def chapter_page(chapter):
        items = "".join(f"<li>{esc(item)}</li>" for item in chapter.get("list", []))
        body = f"<h1>{esc(chapter['heading'])}</h1>" + "".join(f"<p>{esc(t)}</p>" for t in chapter["paragraphs"])
        return ('<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head><title>'
                f"{esc(chapter['heading'])}</title></head><body>{body}{f'<ul>{items}</ul>' if items else ''}</body></html>")
    pages = {f"OEBPS/c{n}.xhtml": chapter_page(chapter) for n, chapter in enumerate(CHAPTERS, 1)}
    items = "".join(f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(1, 4))
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(1, 4))
    links = "".join(f'<li><a href="c{n}.xhtml">{esc(c["heading"])}</a></li>' for n, c in enumerate(CHAPTERS, 1))
    pack("borrowed-kitchen.epub", {
        "META-INF/container.xml": '<?xml version="1.0"?><container version="1.0" '
            'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OEBPS/book.opf" '
            'media-type="application/oebps-package+xml"/></rootfiles></container>',
        "OEBPS/book.opf": '<?xml version="1.0" encoding="UTF-8"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" '
            'unique-identifier="id"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">'
            f"urn:borrowed-kitchen</dc:identifier><dc:title>{TITLE}</dc:title><dc:creator>{AUTHOR}</dc:creator>"
            "<dc:language>en</dc:language></metadata><manifest>"
            '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
            f"{items}</manifest><spine>{spine}</spine></package>",
        "OEBPS/nav.xhtml": '<?xml version="1.0" encoding="UTF-8"?><html xmlns="http://www.w3.org/1999/xhtml" '
            'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>Contents</title></head><body><nav epub:type="toc"><ol>'
            f"{links}</ol></nav></body></html>",
        **pages,
    }, first="application/epub+zip")


def quoted(text):
    return quopri.encodestring(text.encode("utf-8")).decode("ascii").replace("\n", "\r\n")


def eml():
    """A newsletter: the text and the page beside each other, and a mail that it forwards."""
    plain = "\n\n".join([TITLE] + [t for c in CHAPTERS for t in [c["heading"], *c["paragraphs"], *c.get("list", [])]])
    body = f"<html><body>{page(CHAPTERS)}</body></html>"
    forwarded = ("From: Ada Quill <ada@sorrel-court.example>\r\nTo: Mirador Insight <desk@mirador.example>\r\n"
                 "Date: Mon, 5 Oct 2026 09:00:00 +0200\r\nSubject: The figures that you asked for\r\nMIME-Version: 1.0\r\n"
                 "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                 + quoted("The Gable kitchen was booked for 1,284 hours. We paid €1,219.50 back.\n"))
    lines = [f"From: {AUTHOR} <desk@mirador.example>", "To: Product council <council@example.org>",
             "Date: Tue, 6 Oct 2026 08:00:00 +0200", f"Subject: {TITLE}", "MIME-Version: 1.0",
             'Content-Type: multipart/mixed; boundary="mixed"', "", "--mixed",
             'Content-Type: multipart/alternative; boundary="either"', "", "--either",
             "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", "", quoted(plain),
             "--either", "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", "",
             quoted(body), "--either--", "--mixed", "Content-Type: message/rfc822", "", forwarded, "--mixed--", ""]
    (OUT / "borrowed-kitchen.eml").write_bytes("\r\n".join(lines).encode("ascii"))


def mhtml():
    """As a browser saves a page: the page, its style, and the site around the article."""
    site = ('<nav><a href="/">Home</a> <a href="/trends">Trends</a></nav><main><article>'
            f"{page(CHAPTERS, html_table())}</article></main><footer>NAVIGATION-MUST-NOT-APPEAR</footer>")
    body = (f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{TITLE}</title><link rel="stylesheet" href="cid:style">'
            f"</head><body>{site}</body></html>")
    lines = ["From: <Saved by a browser>", "Snapshot-Content-Location: https://mirador.example/borrowed-kitchen",
             f"Subject: {TITLE}", "Date: Tue, 6 Oct 2026 08:00:00 -0000", "MIME-Version: 1.0",
             'Content-Type: multipart/related; type="text/html"; boundary="saved"', "", "--saved",
             "Content-Type: text/html", "Content-ID: <page>", "Content-Transfer-Encoding: quoted-printable",
             "Content-Location: https://mirador.example/borrowed-kitchen", "", quoted(body), "--saved",
             "Content-Type: text/css", "Content-ID: <style>", "Content-Transfer-Encoding: quoted-printable", "",
             quoted("h1 { font-size: 2em }\n"), "--saved--", ""]
    (OUT / "borrowed-kitchen.mhtml").write_bytes("\r\n".join(lines).encode("ascii"))


def rtf():
    """As a word processor writes it: escapes for what is not ASCII, headings by style, a list and a table."""
    def text(value):
        return "".join(c if ord(c) < 128 and c not in "\\{}" else f"\\{c}" if ord(c) < 128 else f"\\u{ord(c)}?" for c in value)
    out = ["{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0\\froman Georgia;}}",
           "{\\stylesheet{\\s0 Normal;}{\\s1 heading 1;}{\\s2 heading 2;}}",
           f"{{\\info{{\\title {text(TITLE)}}}{{\\author {text(AUTHOR)}}}}}",
           f"\\pard\\s1\\outlinelevel0 {text(TITLE)}\\par"]
    for chapter in CHAPTERS:
        out.append(f"\\pard\\s2\\outlinelevel1 {text(chapter['heading'])}\\par")
        out += [f"\\pard\\s0 {text(t)}\\par" for t in chapter["paragraphs"]]
        out += [f"\\pard{{\\listtext\\bullet\\tab}}\\ls1 {text(t)}\\par" for t in chapter.get("list", [])]
    for row in TABLE["rows"]:
        edges = "".join(f"\\cellx{2000 * n}" for n in range(1, len(row) + 1))
        out.append(f"\\trowd{edges}" + "".join(f"\\pard\\intbl {text(str(v))}\\cell" for v in row) + "\\row")
    (OUT / "borrowed-kitchen.rtf").write_bytes(("\n".join(out) + "\\pard\\par}").encode("ascii"))


for make in (odt, odp, ods, xlsx, csv_file, epub, eml, mhtml, rtf):
    make()
for path in sorted(OUT.glob("borrowed-kitchen.*")):
    print(f"{path.name}: {path.stat().st_size} bytes")
