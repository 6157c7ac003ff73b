"""The located reader: every value by its type, every mistake by its place, nothing hostile in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.document import MAX_TEXT, Document, Value, did_you_mean, open_document
from lifecycle.errors import DocumentError


def value_of(text: str) -> tuple[Value, Document]:
    document = open_document(f"key: {text}\n", "f.yaml")
    assert document.root is not None, document.problems
    fields = document.root.fields(["key"])
    assert fields is not None
    found = fields.get("key")
    assert found is not None
    return found, document


def problems_of(document: Document) -> list[str]:
    return [str(problem).removeprefix("f.yaml:") for problem in document.problems]


@pytest.mark.parametrize(
    ("reader", "text", "expected"),
    [
        pytest.param("text", "hello", "hello", id="plain text"),
        pytest.param("text", '"3"', "3", id="a number in quotes is text"),
        pytest.param("word", "3", "3", id="a number is a word"),
        pytest.param("word", "1.10", "1.10", id="a word keeps its zeros"),
        pytest.param("word", "no", "no", id="YAML's booleans are words"),
        pytest.param("boolean", "true", True, id="true"),
        pytest.param("boolean", "off", False, id="off is false, as in YAML"),
        pytest.param("integer", "42", 42, id="a whole number"),
        pytest.param("duration", "1h30m", 5400.0, id="a duration of two parts"),
        pytest.param("duration", "250ms", 0.25, id="milliseconds"),
        pytest.param("share", "99%", 0.99, id="a share"),
        pytest.param("share", "99.95 %", 0.9995, id="a share with a space"),
        pytest.param("share", "100%", 1.0, id="the whole"),
    ],
)
def test_a_right_value_is_read(reader: str, text: str, expected: object) -> None:
    value, document = value_of(text)
    assert getattr(value, reader)() == expected
    assert problems_of(document) == []


@pytest.mark.parametrize(
    ("reader", "text", "problem"),
    [
        pytest.param("text", "3", "key must be text, not a whole number (put it in quotes)"),
        pytest.param("text", "true", "key must be text, not true or false (put it in quotes)"),
        pytest.param("text", "[a]", "key must be text, not a list"),
        pytest.param("text", "", "key has no value; it must be text"),
        pytest.param("word", "~", "key has no value; it must be text"),
        pytest.param("word", "{a: b}", "key must be text, not a mapping"),
        pytest.param("word", '" "', "key is empty"),
        pytest.param("word", '"a\\nb"', "key contains a control character (remove it)"),
        pytest.param("word", "x" * 257, "key is longer than 256 characters"),
        pytest.param(
            "boolean", '"true"', "key must be true or false, not text", id="quoted boolean"
        ),
        pytest.param("integer", "1.5", "key must be a whole number, not a number"),
        pytest.param("integer", "0x10", "key: '0x10' is not written in decimal digits"),
        pytest.param("integer", "-1", "key is -1; it must be at least 0"),
        pytest.param(
            "integer", "3000000000", "key is 3000000000; it must be at most 2,147,483,647"
        ),
        pytest.param(
            "duration",
            "30",
            "key is a number without a unit (write 30s if seconds are meant)",
            id="a duration without a unit",
        ),
        pytest.param(
            "duration",
            "5 minutes",
            "key: '5 minutes' is not a duration (write for example 30s, 15m, 1h30m or 30d)",
            id="a duration in words",
        ),
        pytest.param(
            "duration",
            "-5m",
            "key: '-5m' is not a duration (write for example 30s, 15m, 1h30m or 30d)",
            id="a negative duration",
        ),
        pytest.param("duration", "0s", "key must be longer than nothing"),
        pytest.param("duration", "4000d", "key is longer than ten years (write at most 3650d)"),
        pytest.param(
            "duration",
            "9" * 400 + "d",
            "key is longer than ten years (write at most 3650d)",
            id="∞",
        ),
        pytest.param(
            "share",
            "0.99",
            "key is a number without a percent sign (write a percentage, for example 99% or 99.9%)",
            id="a share as a number",
        ),
        pytest.param(
            "share",
            "101%",
            "key: '101%' is not a share (write a percentage, for example 99% or 99.9%)",
            id="more than the whole",
        ),
        pytest.param("entries", "a", "key must be a list, not text"),
        pytest.param("pairs", "[]", "key must be a mapping, not a list"),
    ],
)
def test_a_wrong_value_is_located_with_its_fix(reader: str, text: str, problem: str) -> None:
    value, document = value_of(text)
    assert not getattr(value, reader)()
    column = 6 if text else 5
    assert problems_of(document) == [f"1:{column}: {problem}"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        pytest.param("", ["1:1: the file is empty"], id="nothing"),
        pytest.param("# only a comment\n", ["1:1: the file is empty"], id="a comment"),
        pytest.param("a: [1\n", ["2:1: not valid YAML: while parsing a flow"], id="open bracket"),
        pytest.param("a: 1\n---\nb: 2\n", ["2:1: not valid YAML: expected a single"], id="two"),
        pytest.param("a: *b\n", ["1:4: not valid YAML: found undefined alias"], id="no anchor"),
        pytest.param("? [a, b]\n: c\n", ["1:3: a key must be text"], id="a list as a key"),
        pytest.param(
            "a: !!python/object/apply:os.system [ls]\n",
            ["1:4: the tag 'tag:yaml.org,2002:python/object/apply:os.system' means nothing"],
            id="a tag that would run something",
        ),
        pytest.param("a: !mine b\n", ["1:4: the tag '!mine' means nothing here"], id="own tag"),
        pytest.param(
            "a: &a\n  b: 1\nc:\n  <<: *a\n", ["4:3: merge keys are not supported"], id="merge"
        ),
        pytest.param(
            "a: &a [*a]\n", ["1:4: an alias refers to the value it stands in"], id="a cycle"
        ),
        pytest.param("a: b\x00c\n", ["1:5: not valid YAML: a control character"], id="a zero byte"),
        pytest.param("x\ny: \x07\n", ["2:4: not valid YAML: a control character"], id="a bell"),
        pytest.param("a: " + "[" * 5000, ["1:1: not valid YAML: nested too deeply"], id="deep"),
        pytest.param("a" * (MAX_TEXT + 1), ["1:1: the file has more than 1,048,576"], id="long"),
    ],
)
def test_what_cannot_be_read_at_all_is_located(text: str, problems: list[str]) -> None:
    document = open_document(text, "f.yaml")
    assert document.root is None
    found = problems_of(document)
    assert len(found) == len(problems)
    for each, expected in zip(found, problems, strict=True):
        assert each.startswith(expected)


def test_aliases_that_multiply_are_refused_before_they_are_followed() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    document = open_document("\n".join(lines), "f.yaml")
    assert problems_of(document) == ["1:1: with its aliases written out it has over 100,000 values"]


def test_an_alias_is_read_as_what_it_stands_for() -> None:
    document = open_document("a: &wait 15m\nb: *wait\n", "f.yaml")
    assert document.root is not None
    fields = document.root.fields(["a", "b"])
    assert fields is not None
    assert (fields.duration("a"), fields.duration("b")) == (900.0, 900.0)


def test_a_mistake_behind_an_alias_is_reported_once() -> None:
    document = open_document("- &state {stuck_after: 15}\n- *state\n", "f.yaml")
    assert document.root is not None
    for entry in document.root.entries():
        fields = entry.fields(["stuck_after"])
        assert fields is not None
        assert fields.duration("stuck_after") is None
    assert [problem.line for problem in document.problems] == [1]


def test_a_key_given_twice_does_not_hide_other_mistakes() -> None:
    document = open_document("a: 1\na: 2\nb: 1\n", "f.yaml")
    assert document.root is not None
    document.root.fields(["a"])
    assert problems_of(document) == [
        "2:1: the key 'a' is already given in line 1 (keep one of the two)",
        "3:1: unknown key 'b' (one of: a)",
    ]


def test_unknown_and_missing_keys_are_all_named() -> None:
    document = open_document("alert: a\nlabls: {}\nxyz: 1\n", "f.yaml")
    assert document.root is not None
    document.root.fields(["alert", "labels", "for"], required=["for"])
    with pytest.raises(DocumentError) as caught:
        document.raise_problems()
    assert str(caught.value).splitlines() == [
        "f.yaml:1:1: for is missing (add for)",
        "f.yaml:2:1: unknown key 'labls' (did you mean 'labels'?)",
        "f.yaml:3:1: unknown key 'xyz' (one of: alert, labels, for)",
    ]


def test_a_missing_field_reads_as_its_default() -> None:
    document = open_document("{}", "f.yaml")
    assert document.root is not None
    fields = document.root.fields(["a"])
    assert fields is not None
    assert "a" not in fields
    assert list(fields) == []
    assert (fields.text("a"), fields.word("a"), fields.boolean("a")) == ("", "", False)
    assert (fields.integer("a"), fields.duration("a"), fields.share("a")) == (None, None, None)
    assert (fields.choice("a", ("x",), "x"), fields.words("a")) == ("x", [])


def test_one_word_or_a_list_of_words() -> None:
    one, _ = value_of("paid")
    assert [word for _, word in one.words()] == ["paid"]
    many, document = value_of("[paid, [x], 3]")
    assert [(place.column, word) for place, word in many.words()] == [(7, "paid"), (18, "3")]
    assert problems_of(document) == ["1:13: an entry of key must be text, not a list"]


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        pytest.param("stauts", "did you mean 'status'?", id="the nearest"),
        pytest.param("zzz", "one of: status, owner", id="nothing near: the list"),
    ],
)
def test_a_fix_for_a_mistyped_word(word: str, fix: str) -> None:
    assert did_you_mean(word, ["status", "owner"]) == fix


@given(st.text(max_size=60))
def test_any_text_at_all_is_a_document_or_a_problem(text: str) -> None:
    document = open_document(text, "f.yaml")
    assert document.root is not None or document.problems
