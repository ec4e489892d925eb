"""Words between backticks are code, everything is escaped, and examples are JSON."""

from portal.templatetags.reference import as_json, marked


def test_sentences_and_examples_are_safe() -> None:
    assert marked("Take `a<b` & go") == "Take <code>a&lt;b</code> &amp; go"
    assert marked("") == ""
    assert as_json({"a": "é"}) == '{\n  "a": "é"\n}'
