"""LeadSquared's events: ours, its code, its name as printed (LS-A17), and its number in the webhook API (LS-A23).

In the order of its list, which is that of the names; the three of sales activities stand behind it. A number above 100,
and the codes that begin with AccountActivity, Account, Task_Cancel and User_Availability, are our own, where none is
public.
"""

from collections.abc import Mapping, Sequence

EVENTS: Sequence[tuple[str, str, str, int]] = (
    ("account_activity.created", "AccountActivity_Post_Create", "Account Activity Create", 101),
    ("account_activity.updated", "AccountActivity_Post_Update", "Account Activity Update", 102),
    ("account.created", "Account_Post_Create", "Account Create", 103),
    ("account.deleted", "Account_Post_Delete", "Account Delete", 104),
    ("account.updated", "Account_Post_Update", "Account Update", 105),
    ("form.submitted", "Landing_Page_submission", "Landing Page Submission", 1),
    ("activity.created", "LeadActivity_Post_Create", "Lead Activity Creation", 2),
    ("activity.updated", "LeadActivity_Post_Update", "Lead Activity Update", 15),
    ("lead.created", "Lead_Post_Create", "Lead Creation", 3),
    ("lead.deleted", "Lead_Delete", "Lead Delete", 106),
    ("lead.field_changed", "Lead_Field_Change", "Lead Field Value Change", 26),
    ("lead.merged", "Lead_Merge", "Lead Merge", 107),
    ("lead.assigned", "Lead_Owner_Change", "Lead Ownership Change", 4),
    ("lead.score_changed", "Lead_Score_Change", "Lead Score Change", 9),
    ("lead.stage_changed", "Lead_Post_Stage_Change", "Lead Stage Change", 5),
    ("lead.updated", "Lead_Post_Update", "Lead Update", 6),
    ("leave.created", "Leave_Create", "Leave Create", 108),
    ("leave.deleted", "Leave_Delete", "Leave Delete", 109),
    ("leave.updated", "Leave_Update", "Leave Update", 110),
    ("opportunity.created", "Opportunity_Post_Create", "Opportunity Create", 31),
    ("opportunity.deleted", "Opportunity_Post_Delete", "Opportunity Delete", 35),
    ("opportunity.field_changed", "OpportunityField_Post_Update", "Opportunity Field Value Change", 33),
    ("opportunity.stage_changed", "OpportunityStage_Post_Update", "Opportunity Stage/Status Change", 34),
    ("opportunity.updated", "Opportunity_Post_Update", "Opportunity Update", 32),
    ("product.created", "Product_Post_Create", "Product Create", 111),
    ("product.deleted", "Product_Delete", "Product Delete", 112),
    ("product.updated", "Product_Post_Update", "Product Update", 113),
    ("task.cancelled", "Task_Cancel", "Task Cancel", 114),
    ("task.completed", "Task_Complete", "Task Complete", 16),
    ("task.created", "Task_Create", "Task Create", 7),
    ("task.reminder", "Task_Reminder", "Task Reminder", 8),
    ("task.updated", "Task_Update", "Task Update", 17),
    ("user.activation_changed", "User_Active_Status_Change", "User Activate/Deactivate", 115),
    ("user.availability_changed", "User_Availability_Status_Change", "User Availability Status Change", 116),
    ("user.created", "User_Create", "User Create", 117),
    ("user.updated", "User_Update", "User Update", 118),
    ("sales_activity.created", "SalesActivity_Post_Create", "Sales Activity Create", 119),
    ("sales_activity.updated", "SalesActivity_Post_Update", "Sales Activity Update", 120),
    ("sales_activity.cancelled", "SalesActivity_Post_Cancel", "Sales Activity Cancel", 121),
)

CODES: Mapping[str, str] = {type_: code for type_, code, _, _ in EVENTS}
LABELS: Mapping[str, str] = {code: label for _, code, label, _ in EVENTS}
NUMBERS: Mapping[str, int] = {code: number for _, code, _, number in EVENTS}

GROUPED = frozenset(code for type_, code in CODES.items() if type_.partition(".")[0].endswith("activity"))
"""Those that are posted as an array, the activities of one minute together (LS-A12)."""
