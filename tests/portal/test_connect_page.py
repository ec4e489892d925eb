"""`docs/connect.md` becomes sections of text, code and a table, with the reader's own values."""

from portal.connect_page import CLOSING, PAGE, Block, Run, Section, filled_in, sections_of

EXAMPLE = """# Title

Before `code`, *emphasised*
and [a `link`](elsewhere.md).

## First way

```sh server
uvicorn app:app

--port 1
```
After.

| a | `b` |
|---|---|
| c | d e |
"""


def test_a_page_is_read_into_its_forms() -> None:
    introduction, way = sections_of(EXAMPLE)
    assert introduction == Section(
        "Title",
        (
            Block(
                runs=(
                    Run("text", "Before "), Run("code", "code"), Run("text", ", "), Run("em", "emphasised"),
                    Run("text", " and "), Run("text", "a link"), Run("text", "."),
                )
            ),
        ),
    )  # fmt: skip
    assert way.id == "first-way"
    assert way.blocks == (
        Block(code="uvicorn app:app\n\n--port 1", language="sh", is_server=True),
        Block(runs=(Run("text", "After."),)),
        Block(rows=(((Run("text", "a"),), (Run("code", "b"),)), ((Run("text", "c"),), (Run("text", "d e"),)))),
    )


def test_the_page_has_a_way_for_each_and_nothing_unread() -> None:
    introduction, *ways = sections_of(PAGE.read_text())
    titles = [way.title for way in ways]
    assert titles == [
        "curl", "Python", "JavaScript", "Django", "FastAPI", "Flask", "Express", "nginx", "Access log", CLOSING,
    ]  # fmt: skip
    for section in (introduction, *ways):
        assert any(block.code for block in section.blocks), section.title
        for block in section.blocks:
            assert not any(mark in run.text for run in block.runs if run.kind == "text" for mark in ("`", "](", "```"))


def test_address_key_and_tenant_are_filled_in() -> None:
    filled = filled_in(PAGE.read_text(), url="https://count.example", key="ch_live_abcd…", slug="northwind")
    assert "export COUNTINGHOUSE_URL=https://count.example\n" in filled
    assert "export COUNTINGHOUSE_API_KEY=ch_live_abcd…\n" in filled
    assert "--tenant northwind --dry-run" in filled
    assert not {"billing.example.com", "YOUR_KEY", "--tenant acme"} & set(filled.split())
