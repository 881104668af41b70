from pneumoscore.present.page_head import PageStyle, page_head
from pneumoscore.severity.score import RESEARCH_NOTICE

STYLE = PageStyle(
    colours=":root { --warn: #a00; }\n",
    width=70,
    margin=1.5,
    notice_padding=".4rem",
    rules=".own { color: red; }\n",
    body="color: #111;",
)


def test_the_head_names_the_page_and_carries_the_notice():
    head = page_head("Ward <b> & {day}", STYLE)
    assert "<title>Ward &lt;b&gt; &amp; {day}</title>" in head
    assert "<h1>Ward &lt;b&gt; &amp; {day}</h1>" in head
    assert f'<p class="notice">{RESEARCH_NOTICE}</p>' in head
    assert "default-src 'none'" in head


def test_the_pages_own_rules_stand_around_the_frame():
    head = page_head("Ward", STYLE)
    sheet = head[head.index("<style>") : head.index("</style>")].splitlines()
    assert sheet[1] == STYLE.colours.strip()
    assert sheet[2].endswith("max-width: 70rem; margin: 1.5rem auto;")
    assert sheet[3] == " padding: 0 1rem; color: #111; }"
    assert "padding: .4rem" in sheet[4]
    assert sheet[5] == STYLE.rules.strip()
