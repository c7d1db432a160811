"""../briefing.pptx (python-pptx): a short deck on a topic of its own, with a table and speaker notes."""
import datetime
import pathlib

from pptx import Presentation
from pptx.dml.color import RGBColor
from pptx.util import Cm, Pt

import fixed_zip

OUT = pathlib.Path(__file__).resolve().parent.parent / "briefing.pptx"

SLIDES = [
    ("The second breakfast at the trailhead", None,
     "Briefing for the product council · 3 November 2026 · Mirador Insight (fictional)",
     "Welcome. This deck takes twelve minutes. All companies and figures in it are invented for demonstration."),
    ("What we saw", [
        "Car parks at trailheads in the Bellmont hills fill up before 7 a.m.; the nearest shop opens at 9 a.m.",
        "Pinecrest Provisions put unattended chilled lockers at fourteen trailheads in April 2026",
        "Each locker holds a “second breakfast”: drinkable yogurt, a savoury oat bar with pepper and thyme, and a washable cloth",
        "Hikers pay US$8.50 by tapping a card and get US$1.50 back when they return the bottle to any locker"],
     None,
     "Pinecrest visited the car parks on thirty mornings before it built anything. The cloth was an afterthought, and it is what people photograph."),
    ("What happened", [
        "Pinecrest sold 93,000 breakfasts in the first six months because hunger at the trailhead had no other supplier",
        "81% of bottles came back, most of them to a different locker from the one where they were bought",
        "Sweet bars were replaced by savoury ones after week five; sales per locker rose by 26%"],
     None,
     "The return rate matters more than the sales. A bottle that travels between two trailheads tells the company which route was walked."),
    ("Locker figures", [
        ["Measure", "May 2026", "September 2026"],
        ["Breakfasts per locker and day", "22", "41"],
        ["Bottles returned", "68%", "81%"],
        ["Spoiled, share of stock", "9%", "3%"],
        ["Gross margin per breakfast", "US$2.10", "US$3.05"]],
     "Source: Pinecrest Provisions, fourteen lockers",
     "Spoilage fell when the lockers began to order by weather forecast instead of by weekday."),
    ("Why it works for people", [
        "Functional: protein, salt and fluid within two minutes of leaving the car",
        "Emotional: the feeling that somebody expected you",
        "Social: the cloth is spread on the summit and shared; 37% of buyers bought two or more breakfasts"],
     None,
     "Ask the council which of our own products is eaten outdoors, and by how many people at once."),
    ("The transferable pattern", [
        "Go to the place where demand wakes up before supply does",
        "Offer one complete set and not an assortment",
        "Let the container record the journey and pay for its own return",
        "Add one object that will be shared, and do not put a logo on it"],
     None,
     "The pattern has been seen at swimming lakes and at school sports days. In both places the complete set beat the assortment."),
    ("Risks and next steps", [
        "Heat: two lockers failed on days above 36 °C, and 310 breakfasts were thrown away",
        "Permits: park authorities ask for 6% of sales and a litter plan",
        "Next: a trial with four lockers, one dairy partner and one spice partner, from March 2027",
        "Decision needed today: US$48,000 for the trial"],
     None,
     "If the council agrees, the first lockers can be ordered before Christmas."),
]


def style(frame, size, bold=False, color=(0x1F, 0x1D, 0x1A)):
    for par in frame.paragraphs:
        par.space_after = Pt(9)
        for run in par.runs:
            run.font.size, run.font.bold, run.font.name = Pt(size), bold, "Calibri"
            run.font.color.rgb = RGBColor(*color)


prs = Presentation()
prs.slide_width, prs.slide_height = Cm(33.867), Cm(19.05)
for n, (title, body, small, notes) in enumerate(SLIDES):
    slide = prs.slides.add_slide(prs.slide_layouts[0 if n == 0 else 5 if small else 1])
    slide.shapes.title.text = title
    if n == 0:
        slide.placeholders[1].text = small
        slide.placeholders[1].left, slide.placeholders[1].top = Cm(3), Cm(10.5)
        slide.placeholders[1].width, slide.placeholders[1].height = Cm(27.8), Cm(3)
        slide.shapes.title.left, slide.shapes.title.top = Cm(3), Cm(5)
        slide.shapes.title.width, slide.shapes.title.height = Cm(27.8), Cm(5)
        style(slide.placeholders[1].text_frame, 18, color=(0x5B, 0x4A, 0x36))
        style(slide.shapes.title.text_frame, 40, True, (0x24, 0x38, 0x2F))
    else:
        t = slide.shapes.title
        t.left, t.top, t.width, t.height = Cm(2), Cm(1), Cm(29.8), Cm(2.6)
        style(t.text_frame, 32, True, (0x24, 0x38, 0x2F))
        if small:
            table = slide.shapes.add_table(len(body), len(body[0]), Cm(2.5), Cm(4.5), Cm(28.8), Cm(8.5)).table
            for r, row in enumerate(body):
                for c, text in enumerate(row):
                    table.cell(r, c).text = text
            box = slide.shapes.add_textbox(Cm(2.5), Cm(15.5), Cm(28.8), Cm(1.2))
            box.text_frame.text = small
            style(box.text_frame, 12)
        else:
            b = slide.placeholders[1]
            b.left, b.top, b.width, b.height = Cm(2), Cm(4.5), Cm(29.8), Cm(12.5)
            b.text_frame.text = body[0]
            for line in body[1:]:
                b.text_frame.add_paragraph().text = line
            style(b.text_frame, 22)
    slide.notes_slide.notes_text_frame.text = notes
p = prs.core_properties
p.title, p.author, p.last_modified_by, p.revision = SLIDES[0][0], "Mirador Insight (fictional)", "", 1
p.created = p.modified = datetime.datetime(2026, 11, 3, 8, 0, 0)
prs.save(OUT)
fixed_zip.fix(OUT)
print(f"{OUT.name}: {len(SLIDES)} slides, {OUT.stat().st_size} bytes")
