"""What LeadSquared is told of each kind of record: its keys, and their values as texts.

Of leads and activities the keys are those of bodies that were seen; of the others, whose bodies are not public, they
are made of the field names that its objects have on its public pages (docs/leadsquared.md, LS-B1, LS-B6).
"""

from collections.abc import Callable, Mapping
from typing import Any

from webhooks.wire import document
from webhooks.wire.event import Event

Data = Mapping[str, Any]
Source = str | Callable[[Data], Any]

NAMES = {
    "ProspectID": "id",
    "ProspectAutoId": "id",
    "FirstName": "first_name",
    "LastName": "last_name",
    "EmailAddress": "email",
    "Phone": "phone",
    "Mobile": "mobile_phone",
    "Company": "company_name",
    "JobTitle": "job_title",
    "Source": "source",
    "ProspectStage": "stage_name",
    "Score": "score",
    "OwnerId": "owner_id",
    "OwnerIdEmailAddress": "owner",
    "CreatedOn": "created_at",
    "ModifiedOn": "modified_date",
    "LastModifiedOn": "modified_date",
    "LeadLastModifiedOn": "modified_date",
}
"""Its key and ours, of what both know of a lead (LS-B1). The account's own fields follow, as CUSTOM and their key."""

CUSTOM = "mx_"
NUMBERED = "mx_Custom_"
"""Before the number of a further field of an activity or opportunity, counted from 1."""

_STAMPS: Mapping[str, Source] = {"CreatedOn": "created_at", "ModifiedOn": "modified_at"}
_OWNER: Mapping[str, Source] = {"OwnerId": "owner_id", "OwnerName": "owner_name", "OwnerIdEmailAddress": "owner"}
_MAKER: Mapping[str, Source] = {"CreatedBy": "created_by_id", "CreatedByName": "created_by_name"}

_KINDS = {"lead": "Lead", "sales": "Sales", "company": "Account"}
_TASK_STATUS = {"open": "0", "completed": "1", "cancelled": "2"}

OTHERS: Mapping[str, Mapping[str, Source]] = {
    "company": {
        "CompanyId": "id",
        "CompanyTypeName": "type",
        "CompanyName": "name",
        "EmailAddress": "email",
        "Phone": "phone",
        "Website": "website",
        "Industry": "industry",
        "Address": "address",
        "City": "city",
        "PostalCode": "postcode",
        "Country": "country",
        "NumberOfEmployees": "number_of_employees",
        "Description": "notes",
        **_OWNER,
        **_STAMPS,
    },
    "opportunity": {
        "OpportunityId": "id",
        "OpportunityName": "name",
        "OpportunityEventCode": "type_code",
        "OpportunityEventName": "type",
        "RelatedProspectId": "lead_id",
        "RelatedCompanyId": "company_id",
        "Status": lambda data: data["status"].capitalize(),
        "Stage": "stage",
        "Value": "value",
        "ExpectedClosureDate": "expected_on",
        "ProductId": "product_id",
        "ProductName": "product",
        "Description": "description",
        "Owner": "owner_id",
        "OwnerName": "owner_name",
        "OwnerEmailAddress": "owner",
        **_MAKER,
        **_STAMPS,
    },
    "product": {
        "ProductId": "id",
        "Name": "name",
        "Code": "code",
        "Category": "category",
        "Description": "description",
        "Price": "price",
        "StatusCode": lambda data: "0" if data["is_active"] else "1",
        **_STAMPS,
    },
    "task": {
        "UserTaskId": "id",
        "Name": "name",
        "Category": "category",
        "Description": "description",
        "RelatedEntity": lambda data: "Lead" if data["lead_id"] is not None else None,
        "RelatedEntityId": "lead_id",
        "RelatedEntityIdName": "lead_name",
        "DueDate": "due_at",
        "Reminder": lambda data: data["remind_at"] is not None,
        "ReminderTime": "remind_at",
        "StatusCode": lambda data: _TASK_STATUS[data["status"]],
        "CompletedOn": "closed_at",
        **_OWNER,
        **_MAKER,
        **_STAMPS,
    },
    "user": {
        "UserId": "id",
        "FirstName": "first_name",
        "LastName": "last_name",
        "EmailAddress": "email",
        "Phone": "phone",
        "Role": "roles",
        "StatusCode": lambda data: "0" if data["is_active"] else "1",
        "AvailabilityStatus": lambda data: data["availability"].capitalize(),
        "TimeZone": "time_zone",
        "CreatedOn": "created_at",
    },
    "leave": {
        "LeaveId": "id",
        "UserId": "user_id",
        "UserName": "user_name",
        "UserEmailAddress": "user",
        "StartDate": "starts_on",
        "EndDate": "ends_on",
        "Reason": "reason",
        **_MAKER,
        **_STAMPS,
    },
}
"""Its keys of the other records, by ours."""

ACTIVITY: Mapping[str, Source] = {
    "ProspectActivityId": "id",
    "RelatedProspectId": "lead_id",
    "ActivityEvent": "type_code",
    "ActivityEventName": "type",
    "ActivityType": lambda data: _KINDS[data["type_kind"]],
    "CreatedBy": "created_by_id",
    "CreatedByName": "created_by_name",
    "CreatedOn": "created_at",
    "ModifiedOn": "modified_at",
    "ActivityDateTime": "happened_at",
    "Score": "score",
}
COMPANY_ACTIVITY: Mapping[str, Source] = {
    "CompanyActivityId": "id",
    "RelatedCompanyId": "company_id",
    "RelatedCompanyName": "company_name",
    **{key: source for key, source in ACTIVITY.items() if key not in ("ProspectActivityId", "RelatedProspectId")},
}
ACTIVITY_DATA: Mapping[str, Source] = {
    "Status": "status",
    "Owner": "owner_id",
    "OwnerName": "owner_name",
    "OwnerEmailAddress": "owner",
    "Note": "note",
}


def record(event: Event) -> dict[str, Any]:
    """The record as it is now."""
    return _told(event.record, event.data)


def before(event: Event) -> dict[str, Any]:
    """The record as it was; when it had been modified last is not known (LS-B4)."""
    return _told(event.record, _former(event))


def element(event: Event) -> dict[str, Any]:
    """An activity, its further fields by their numbers in Data."""
    data = event.data
    told = _texts(COMPANY_ACTIVITY if event.record == "company_activity" else ACTIVITY, data)
    if data.get("cancelled_at"):
        told["CancelledOn"] = text(data["cancelled_at"], moment=True)
    return told | {"Data": _texts(ACTIVITY_DATA, data) | _numbered(data)}


def text(value: Any, moment: bool = False) -> str | None:
    """A value as text (LS-B3): a number by its digits, yes and no as 1 and 0, several with ; between them.

    moment: "2026-11-21 09:14:05", in UTC, of "2026-11-21T09:14:05.123Z".
    """
    if value is None or isinstance(value, str):
        return f"{value[:10]} {value[11:19]}" if moment and value else value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return ";".join(text(each) or "" for each in value)
    return str(document.plain(value))


_MOMENTS = frozenset(
    {
        "created_at",
        "modified_at",
        "modified_date",
        "due_at",
        "remind_at",
        "closed_at",
        "happened_at",
    }
)


def _told(kind: str, data: Data) -> dict[str, Any]:
    if kind != "lead":
        return _texts(OTHERS[kind], data) | _numbered(data)
    custom = data.get("custom_fields") or {}
    return _texts(NAMES, data) | {f"{CUSTOM}{key}": text(value) for key, value in custom.items()}


def _texts(names: Mapping[str, Source], data: Data) -> dict[str, Any]:
    return {
        key: text(data.get(source), source in _MOMENTS) if isinstance(source, str) else text(source(data))
        for key, source in names.items()
    }


def _numbered(data: Data) -> dict[str, Any]:
    values = (data.get("fields") or {}).values()
    return {f"{NUMBERED}{number}": text(value) for number, value in enumerate(values, 1)}


def _former(event: Event) -> Data:
    former = {**event.data}
    former |= dict.fromkeys(former.keys() & {"modified_date", "modified_at"})
    for key, (was, _) in event.changes.items():
        group, _, name = key.partition(".")
        if name:
            former[group] = {**(former.get(group) or {}), name: was}
        else:
            former[key] = was
    return former
