"""What of a document is suggested for which field, and the tree that it is read from."""

from __future__ import annotations

from typing import Any

import pytest

from leads.custom import Definition
from leads.setup import Setup
from tests.webhooks.inbound.conftest import SAMPLE
from webhooks.inbound.suggest import suggestions
from webhooks.inbound.translate import kinds, targets
from webhooks.inbound.tree import MOST_NODES, places, tree_of, unmapped
from webhooks.wire.mapping import Row, Step, look_up

SETUP = Setup((), {"move_in": Definition("move_in", "Moving date", "date", False, (), False)})


def suggested(document: Any, *rows: Row, match: str = "business_email", by_value: bool = True) -> dict[str, str]:
    read = {place for row in rows for place in places(document, row.path)}
    found = suggestions(tree_of(document), rows, read, targets(SETUP), kinds(SETUP), match, by_value)
    return {one.row.field: one.row.path for one in found}


def test_leadengines_sample_is_suggested_as_a_whole():
    assert suggested(SAMPLE) == {
        "first_name": "first_name",
        "last_name": "last_name",
        "full_name": "name",
        "business_email": "email",
        "phone": "phone",
        "city": "city",
        "state": "state",
        "country": "country",
        "created_date": "date",
    }


@pytest.mark.parametrize("name", ["first_name", "firstname", "First Name", "fname", "Vorname", "given-name"])
def test_a_field_is_known_by_what_others_call_it(name):
    assert suggested({name: "Olivia"}) == {"first_name": name}


@pytest.mark.parametrize("above", ["name", "contact", "your_name"])
def test_first_and_last_are_parts_of_a_name(above):
    document = {above: {"first": "Olivia", "last": "Hartley"}, "page": {"first": "1", "last": "9"}}
    assert suggested(document) == {"first_name": f"{above}/first", "last_name": f"{above}/last"}


def test_what_stands_above_says_whose_it_is():
    document = {
        "contact": {"work": {"email": "o@firm.example"}, "private": {"email": "o@private.example"}},
        "company": {"name": "Firm"},
        "owner": {"email": "boss@us.example", "name": "Boss"},
        "position": "Buyer",
    }
    assert suggested(document) == {
        "business_email": "contact/work/email",
        "personal_email": "contact/private/email",
        "company_name": "company/name",
        "job_title": "position",
    }


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("jo@example.com", "business_email"),
        ("+44 20 7946 0000", "phone"),
        ("https://www.linkedin.com/in/jo", "person_linkedin"),
        ("https://linkedin.com/company/acme", "company_linkedin"),
        ("2026-11-21T10:00:00Z", "created_date"),
        ("LS1 4AP", "postcode"),
    ],
)
def test_a_value_is_known_by_what_it_looks_like(value, field):
    assert suggested({"q17": value}) == {field: "q17"}
    assert suggested({"q17": value}, by_value=False) == {}


@pytest.mark.parametrize("value", ["Olivia", "4444444444444", "2026-11-21", "a@b", 12, True, None, "", "@", "12:30"])
def test_what_looks_like_nothing_is_left_alone(value):
    assert suggested({"q17": value}) == {}


def test_no_row_that_is_there_is_touched_and_no_part_is_read_twice():
    document = {"email": "a@example.com", "mail": "b@example.com", "tags": ["vip", "sea view"]}
    assert suggested(document) == {"business_email": "email", "tags": "tags"}
    assert suggested(document, Row("business_email", "mail")) == {"tags": "tags"}
    assert suggested(document, Row("notes", "email"), Row("import_tags", "tags")) == {"business_email": "mail"}


def test_an_email_is_the_field_by_which_leads_are_known():
    assert suggested({"email": "a@example.com"}, match="email") == {"email": "email"}


def test_answers_are_found_by_the_names_of_their_questions():
    document = {"field_data": [{"name": "email", "values": ["a@example.com"]}, {"name": "city", "values": ["Leeds"]}]}
    assert suggested(document) == {
        "business_email": "field_data/name=email/values",
        "city": "field_data/name=city/values",
    }
    assert suggested({"properties": {"email": {"value": "a@example.com"}}}) == {
        "business_email": "properties/email/value"
    }


def test_a_code_of_another_system_is_not_suggested_for_ours():
    assert suggested({"status": "NEW", "type": "vendor"}) == {"type": "type"}
    assert suggested({"status": "UNREAD"}) == {"status": "status"}


def test_the_accounts_own_fields_are_suggested_and_made_fit():
    [found] = suggestions(tree_of({"Moving date": "2026-12-01T09:00:00Z"}), [], (), targets(SETUP), kinds(SETUP))
    assert (found.row.field, found.row.steps) == ("custom_fields.move_in", (Step("date"),))


@pytest.mark.parametrize(
    ("field", "document", "step"),
    [
        ("tags", {"tags": "vip, sea"}, Step("split", ",")),
        ("gdpr_checkbox", {"consent": "yes"}, Step("yes_no")),
        ("created_date", {"created_at": 1_763_000_000}, Step("date")),
    ],
)
def test_what_is_written_in_another_way_gets_a_transform(field, document, step):
    [found] = suggestions(tree_of(document), [], (), targets(SETUP), kinds(SETUP))
    assert (found.row.field, found.row.steps) == (field, (step,))


# --- the tree --------------------------------------------------------------------------------------------------------

AWKWARD = {
    "a/b": {"c~d": "slash"},
    "x=y": "equals",
    "people": [{"email": "one"}, {"email": "two"}],
    "data": [{"key": "e/mail=~", "value": "named"}],
    "list": [[["deep"]]],
}


def test_every_path_leads_to_its_value():
    for node in tree_of(AWKWARD).nodes:
        if node.is_leaf:
            assert look_up(AWKWARD, node.path) == [node.raw]
            assert all(look_up(AWKWARD, path) for _, path in node.ways)
    by_value = {node.value: node for node in tree_of(AWKWARD).nodes}
    assert by_value["slash"].path == "a~1b/c~0d"
    assert by_value["equals"].path == "x~2y"
    assert by_value["one"].path == "people/0/email"
    assert by_value["one"].ways == (("of every element", "people/email"),)
    assert look_up(AWKWARD, "people/email") == ["one", "two"]
    assert by_value["named"].path == "data/key=e~1mail~2~0/value"


def test_a_large_document_is_cut_and_says_so():
    tree = tree_of({str(number): "x" * 1000 for number in range(MOST_NODES + 7)})
    assert (len(tree.nodes), tree.left_out) == (MOST_NODES, 7)
    assert len(tree.nodes[0].value) < 300


def test_what_no_row_reads_is_told_once():
    document = {**AWKWARD, "tags": ["a", "b"], "empty": None}
    read = {place for path in ("a~1b", "people/email", "data/0/value") for place in places(document, path)}
    assert [node.path for node in unmapped(tree_of(document), read)] == ["x~2y", "list/0/0", "tags"]


def test_a_path_by_name_reads_the_very_place_that_one_by_number_does():
    document = {"answers": [{"type": "email", "email": "a@example.com", "field": {"ref": "work_email", "id": 7}}]}
    assert suggested(document) == {"business_email": "answers/field.ref=work_email/email"}
    for path in ("answers/type=email/email", "answers/field.id=7/email", "answers/email", "answers"):
        assert "answers/0/email" in places(document, path)
        assert suggested(document, Row("notes", path)) == {}
