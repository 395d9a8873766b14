"""The numbers by which LeadSquared's API names events where a webhook is made or changed (LS-A23).

Those up to 35 are LeadSquared's own. It makes none public for the others: they have ours, from 101 on, in the order of
its list; the three events of sales activities, which are not in that list, come last.
"""

NUMBERS = {
    "Landing_Page_submission": 1,
    "LeadActivity_Post_Create": 2,
    "Lead_Post_Create": 3,
    "Lead_Owner_Change": 4,
    "Lead_Post_Stage_Change": 5,
    "Lead_Post_Update": 6,
    "Task_Create": 7,
    "Task_Reminder": 8,
    "Lead_Score_Change": 9,
    "LeadActivity_Post_Update": 15,
    "Task_Complete": 16,
    "Task_Update": 17,
    "Lead_Field_Change": 26,
    "Opportunity_Post_Create": 31,
    "Opportunity_Post_Update": 32,
    "OpportunityField_Post_Update": 33,
    "OpportunityStage_Post_Update": 34,
    "Opportunity_Post_Delete": 35,
    # Ours.
    "AccountActivity_Post_Create": 101,
    "AccountActivity_Post_Update": 102,
    "Account_Post_Create": 103,
    "Account_Post_Delete": 104,
    "Account_Post_Update": 105,
    "Lead_Delete": 106,
    "Lead_Merge": 107,
    "Leave_Create": 108,
    "Leave_Delete": 109,
    "Leave_Update": 110,
    "Product_Post_Create": 111,
    "Product_Delete": 112,
    "Product_Post_Update": 113,
    "Task_Cancel": 114,
    "User_Active_Status_Change": 115,
    "User_Availability_Status_Change": 116,
    "User_Create": 117,
    "User_Update": 118,
    "SalesActivity_Post_Create": 119,
    "SalesActivity_Post_Update": 120,
    "SalesActivity_Post_Cancel": 121,
}
