"""Which part of a document is likely to be which field: by what it is called, and by what it looks like.

They are suggestions: somebody takes them with a click. A field that is mapped is never suggested, nor one field or one
part of the document twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from leads.fields import Field
from leads.intake import NAMED
from webhooks.inbound.tree import Node, Tree
from webhooks.wire.mapping import Kind, Row, Step

_EMAILS: Final = ("business_email", "email", "personal_email")

# What other systems, and people in other languages, call our fields; beside the names of the catalogue itself.
_CALLED: Final[Mapping[str, str]] = {
    "first_name": "firstname first namefirst yournamefirst fname forename givenname given vorname prenom prénom nombre"
    " nome voornaam",
    "last_name": "lastname last namelast yournamelast lname surname familyname family nachname apellido apellidos"
    " cognome achternaam",
    "full_name": "fullname name yourname contactname leadname customername displayname completename realname",
    "business_email": "workemail businessemail companyemail officeemail",
    "personal_email": "personalemail privateemail homeemail",
    "phone": "phone phonenumber telephone tel telefon telefono téléphone contactnumber contactphone primaryphone",
    "mobile_phone": "mobile mobilephone mobilenumber cell cellphone handy portable whatsapp whatsappnumber",
    "office_phone": "workphone officephone businessphone companyphone",
    "company_name": "company companyname organisation organization organisationname organizationname business"
    " businessname firma employer employername accountname",
    "job_title": "jobtitle position role jobrole designation",
    "website": "website web homepage companywebsite domain siteurl",
    "address": "address street streetaddress address1 addressline1 line1 strasse straße adresse",
    "postcode": "postcode postalcode zip zipcode plz codepostal",
    "city": "city town locality ort stadt ville ciudad",
    "state": "state region province county bundesland",
    "country": "country countryname land pays pais",
    "message": "message comment comments enquiry inquiry question yourmessage body text nachricht",
    "source": "leadsource source utmsource",
    "created_date": "createdat created createddate createddatetime createtime createdtime createdon date submittedat"
    " submitted submittedon submissiondate receivedat timestamp",
    "tags": "tags labels",
    "gdpr_checkbox": "gdpr gdprconsent consent optin marketingconsent marketingoptin privacyconsent",
    "person_linkedin": "linkedin linkedinurl linkedinprofile linkedinprofileurl personlinkedin",
    "company_linkedin": "companylinkedin companylinkedinurl",
    "person_x": "twitter twitterhandle twitterurl",
    "person_facebook": "facebook facebookurl",
    "number_of_employees": "employees numberofemployees employeecount companysize headcount",
    "gender": "gender sex",
    "title": "salutation honorific nameprefix",
    "property_bedrooms": "bedrooms beds propertybedrooms",
    "score": "score leadscore",
    "time_zone": "timezone tz",
}
_EMAIL_NAMES: Final = "email emailaddress mail emailid youremail contactemail primaryemail correo courriel"

# Parts that say nothing of whose value it is.
_NEUTRAL: Final = (
    "lead leads contact contacts data person people customer client user payload body record records properties fields"
    " fielddata attributes answers values value entry entries form formresponse result response details info changes"
    " profile personal object item items customfields"
)
# Parts after which a name is that of somebody or something else.
_FOREIGN: Final = (
    "owner agent assignee assignedto from to sender recipient seller rep office branch negotiator campaign webhook"
    " event meta metadata page ad adset hidden definition source system manager createdby updatedby"
)
_NEUTRAL_WORDS: Final = frozenset(_NEUTRAL.split())
_FOREIGN_WORDS: Final = frozenset(_FOREIGN.split())
_VALUE_NAMES: Final = frozenset({"value", "values"})

_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]{2,}")
_PHONE: Final = re.compile(r"\+?[0-9(][0-9 ().\-/]{6,19}")
_UK_POSTCODE: Final = re.compile(r"[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}", re.IGNORECASE)
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_DATE_TIME_Z: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_SITES: Final = (
    (re.compile(r"linkedin\.com/(company|school)/", re.IGNORECASE), "company_linkedin", "a LinkedIn company page"),
    (re.compile(r"linkedin\.com/", re.IGNORECASE), "person_linkedin", "a LinkedIn profile"),
    (re.compile(r"(^|//|\.)facebook\.com/", re.IGNORECASE), "person_facebook", "a Facebook page"),
    (re.compile(r"(^|//|\.)(twitter|x)\.com/", re.IGNORECASE), "person_x", "an X profile"),
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """row: what would be added; label: of its field; why: a clause; wary: not to be taken along with the others."""

    row: Row
    label: str
    why: str
    wary: bool = False


def suggestions(
    tree: Tree,
    mapped: Iterable[Row],
    read: Collection[str],
    targets: Mapping[str, Field],
    kinds: Mapping[str, Kind],
    match: str = "",
    by_value: bool = True,
) -> list[Suggestion]:
    """In the order of the document; what its name says goes before what its value looks like.

    mapped     the rows that are there
    read       the places of the document that they read
    match      by which field leads are known: an e-mail that is just called so is that one
    by_value   whether values may be looked at
    """
    taken = {row.field for row in mapped}
    names = _by_name(targets, match)
    found: dict[str, Suggestion] = {}
    nodes = [node for node in tree.nodes if _is_free(node, read)]

    def suggest(node: Node, key: str, why: str) -> None:
        if key in targets and key not in taken and not _overlaps(node, found) and _may_hold(node, targets[key]):
            taken.add(key)
            row = Row(key, node.path, steps=_steps(node, key, targets[key], kinds) if by_value else ())
            found[node.path] = Suggestion(row, targets[key].label, why)

    # The longer name says more: "work email" is taken before "email" could be.
    for length in (3, 2, 1):
        for node in nodes:
            called = _called(node)[-length:]
            if len(called) == length and node.path not in found and (key := _key(called, node, names)) is not None:
                suggest(node, key, f"as it is called “{' '.join(called)}”")
    if by_value:
        for node in nodes:
            if node.path not in found:
                for key, why in _looks_like(node, match):
                    if key in targets and key not in taken:
                        suggest(node, key, f"as it looks like {why}")
                        break
    order = {node.path: number for number, node in enumerate(tree.nodes)}
    return sorted(found.values(), key=lambda one: order[one.row.path])


def _is_free(node: Node, read: Collection[str]) -> bool:
    return bool(node.path) and node.is_leaf and not node.asks and not node.is_read(read)


def _overlaps(node: Node, found: Mapping[str, Suggestion]) -> bool:
    """Whether a suggestion reads this part already, as one of many or as a whole."""
    return any(
        node.path == path or node.path.startswith(f"{path}/") or path.startswith(f"{node.path}/") for path in found
    )


# --- by name ---------------------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _by_name(targets: Mapping[str, Field], match: str) -> dict[str, str]:
    """Plain name -> our key. The account's own fields go first, then what is our own word, then theirs."""
    names: dict[str, str] = {}
    email = match if match in _EMAILS and match in targets else _EMAILS[0]
    for name in _EMAIL_NAMES.split():
        names[name] = email
    own = [key for key in targets if key.startswith("custom_fields.")]
    for key in own:
        names.setdefault(_plain(key.removeprefix("custom_fields.")), key)
        names.setdefault(_plain(targets[key].label), key)
    for key, called in _CALLED.items():
        if key in targets:
            for name in called.split():
                names.setdefault(_plain(name), key)
    for key, field in targets.items():
        # An id of a record of ours is nobody else's.
        if key not in own and field.kind != "reference":
            for name in (key, field.wire, *field.systems.values(), field.label):
                names.setdefault(_plain(name), key)
    return names


def _called(node: Node) -> tuple[str, ...]:
    """Its names from the top; HubSpot and others have the value itself in an object: {"email": {"value": ...}}."""
    names = node.names
    while len(names) > 1 and _plain(names[-1]) in _VALUE_NAMES:
        names = names[:-1]
    return names


def _key(called: Sequence[str], node: Node, names: Mapping[str, str]) -> str | None:
    """Our field of these last names; None also where what stands above makes them somebody else's."""
    above = _called(node)[: -len(called)]
    if not all(_plain(name) in _NEUTRAL_WORDS for name in above):
        return None
    return names.get("".join(map(_plain, called)))


def _may_hold(node: Node, field: Field) -> bool:
    """Names of our own records, and codes of ours, are nobody else's unless they say the very same."""
    if field.key in NAMED or field.kind == "reference":
        return False
    return field.kind != "choice" or node.raw in [code for code, _ in field.choices]


# --- by value --------------------------------------------------------------------------------------------------------


def _looks_like(node: Node, match: str) -> Sequence[tuple[str, str]]:
    """The fields that take such a value, the likeliest first, and what it looks like."""
    text = _text(node)
    if not text or any(_plain(name) in _FOREIGN_WORDS for name in node.names):
        return ()
    if _EMAIL.fullmatch(text):
        first = match if match in _EMAILS else _EMAILS[0]
        return [(first, "an e-mail address")]
    for site, key, words in _SITES:
        if site.search(text) and " " not in text:
            return [(key, words)]
    if _DATE_TIME.fullmatch(text):
        return [("created_date", "a date")] if "T" in text or ":" in text else ()
    digits = sum(character.isdigit() for character in text)
    if _PHONE.fullmatch(text) and 9 <= digits <= 15 and (text[0] in "+0(" or not text.isdigit()):
        return [("phone", "a phone number"), ("mobile_phone", "a phone number")]
    if _UK_POSTCODE.fullmatch(text):
        return [("postcode", "a postcode")]
    return ()


def _text(node: Node) -> str:
    value = node.raw
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, str)), "") if len(value) == 1 else ""
    return value.strip() if isinstance(value, str) and len(value) <= 300 else ""


def _steps(node: Node, key: str, field: Field, kinds: Mapping[str, Kind]) -> tuple[Step, ...]:
    """What makes a value fit that is written in another way than ours."""
    kind: Any = kinds.get(key, "any")
    text = _text(node)
    if kind == "several" and "," in text:
        return (Step("split", ","),)
    if kind == "boolean" and node.kind != "yes_no":
        return (Step("yes_no"),)
    if kind == "datetime" and (node.kind == "number" or not _DATE_TIME_Z.fullmatch(text)):
        return (Step("date"),)
    if kind == "date" and len(text) > 10:
        return (Step("date"),)
    return ()
