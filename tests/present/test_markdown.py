from pneumoscore.present.markdown import markdown_to_html


def test_markdown_is_escaped_and_leads_to_web_pages_alone():
    html = markdown_to_html("## <b>T</b>\ntext\n\n- a `x<y`\n  more\n- [p](https://a.b/c)")
    assert "<h4>&lt;b&gt;T&lt;/b&gt;</h4>" in html
    assert "<li>a <code>x&lt;y</code>\nmore</li>" in html
    assert '<a href="https://a.b/c">p</a>' in html
    for address in ("javascript:y", "data:text/html,x", "file:///etc/passwd"):
        assert "<a" not in markdown_to_html(f"[x]({address})")
    assert "<img" not in markdown_to_html("![p](https://a.b/p.png)")


def test_tables_need_no_style_within_elements():
    html = markdown_to_html("| a | b |\n|---|--:|\n| 1 | **2** |")
    assert "style" not in html
    assert '<td class="number"><strong>2</strong></td>' in html
