"""Addresses below /api/v1/. A slash at the end is optional; part of an address may be no id: the view says so."""

from __future__ import annotations

from django.urls import re_path

from leads.api.activities import Activities, CancelActivity, LeadActivities, OneActivity
from leads.api.activity_types import ActivityTypes, OneActivityType
from leads.api.campaigns import Campaigns, OneCampaign
from leads.api.companies import Companies, OneCompany
from leads.api.company_activities import CompanyActivities, OneCompanyActivity
from leads.api.custom_fields import CustomFields, OneCustomField
from leads.api.duplicates import Duplicates
from leads.api.forms import Forms, OneForm
from leads.api.leads import Leads, OneLead, Refer
from leads.api.leaves import Leaves, OneLeave
from leads.api.lists import Lists, OneList
from leads.api.merges import MergeLeads, Merges, OneMerge, UndoMerge
from leads.api.messages import Messages, OneMessage
from leads.api.offices import Offices, OneOffice
from leads.api.opportunities import LeadOpportunities, OneOpportunity, Opportunities
from leads.api.opportunity_types import OneOpportunityType, OpportunityTypes
from leads.api.pipelines import OnePipeline, Pipelines
from leads.api.products import OneProduct, Products
from leads.api.tags import OneTag, Tags
from leads.api.tasks import Cancel, Complete, LeadTasks, OneTask, Reopen, Tasks
from leads.api.upsert import Upsert
from leads.api.users import OneUser, Users

urlpatterns = [
    re_path(r"^leads/?$", Leads.as_view(), name="leads"),
    re_path(r"^leads/upsert/?$", Upsert.as_view(), name="upsert"),
    re_path(r"^leads/(?P<pk>[^/]+)/duplicates/?$", Duplicates.as_view(), name="duplicates"),
    re_path(r"^leads/(?P<pk>[^/]+)/refer/?$", Refer.as_view(), name="refer"),
    re_path(r"^leads/(?P<pk>[^/]+)/merge/?$", MergeLeads.as_view(), name="merge_leads"),
    re_path(r"^leads/(?P<lead_pk>[^/]+)/messages/?$", Messages.as_view(), name="messages"),
    re_path(r"^leads/(?P<lead_pk>[^/]+)/messages/(?P<pk>[^/]+)/?$", OneMessage.as_view(), name="message"),
    re_path(r"^leads/(?P<lead_pk>[^/]+)/tasks/?$", LeadTasks.as_view(), name="lead_tasks"),
    re_path(r"^leads/(?P<lead_pk>[^/]+)/activities/?$", LeadActivities.as_view(), name="lead_activities"),
    re_path(r"^leads/(?P<lead_pk>[^/]+)/opportunities/?$", LeadOpportunities.as_view(), name="lead_opportunities"),
    re_path(r"^leads/(?P<pk>[^/]+)/?$", OneLead.as_view(), name="lead"),
    re_path(r"^merges/?$", Merges.as_view(), name="merges"),
    re_path(r"^merges/(?P<pk>[^/]+)/?$", OneMerge.as_view(), name="merge"),
    re_path(r"^merges/(?P<pk>[^/]+)/undo/?$", UndoMerge.as_view(), name="undo_merge"),
    re_path(r"^companies/?$", Companies.as_view(), name="companies"),
    re_path(r"^companies/(?P<company_pk>[^/]+)/activities/?$", CompanyActivities.as_view(), name="company_activities"),
    re_path(
        r"^companies/(?P<company_pk>[^/]+)/activities/(?P<pk>[^/]+)/?$",
        OneCompanyActivity.as_view(),
        name="company_activity",
    ),
    re_path(r"^companies/(?P<pk>[^/]+)/?$", OneCompany.as_view(), name="company"),
    re_path(r"^activities/?$", Activities.as_view(), name="activities"),
    re_path(r"^activities/(?P<pk>[^/]+)/cancel/?$", CancelActivity.as_view(), name="activity_cancel"),
    re_path(r"^activities/(?P<pk>[^/]+)/?$", OneActivity.as_view(), name="activity"),
    re_path(r"^opportunities/?$", Opportunities.as_view(), name="opportunities"),
    re_path(r"^opportunities/(?P<pk>[^/]+)/?$", OneOpportunity.as_view(), name="opportunity"),
    re_path(r"^products/?$", Products.as_view(), name="products"),
    re_path(r"^products/(?P<pk>[^/]+)/?$", OneProduct.as_view(), name="product"),
    re_path(r"^tasks/?$", Tasks.as_view(), name="tasks"),
    re_path(r"^tasks/(?P<pk>[^/]+)/complete/?$", Complete.as_view(), name="task_complete"),
    re_path(r"^tasks/(?P<pk>[^/]+)/cancel/?$", Cancel.as_view(), name="task_cancel"),
    re_path(r"^tasks/(?P<pk>[^/]+)/reopen/?$", Reopen.as_view(), name="task_reopen"),
    re_path(r"^tasks/(?P<pk>[^/]+)/?$", OneTask.as_view(), name="task"),
    re_path(r"^offices/?$", Offices.as_view(), name="offices"),
    re_path(r"^offices/(?P<pk>[^/]+)/?$", OneOffice.as_view(), name="office"),
    re_path(r"^pipelines/?$", Pipelines.as_view(), name="pipelines"),
    re_path(r"^pipelines/(?P<pk>[^/]+)/?$", OnePipeline.as_view(), name="pipeline"),
    re_path(r"^opportunity-types/?$", OpportunityTypes.as_view(), name="opportunity_types"),
    re_path(r"^opportunity-types/(?P<pk>[^/]+)/?$", OneOpportunityType.as_view(), name="opportunity_type"),
    re_path(r"^activity-types/?$", ActivityTypes.as_view(), name="activity_types"),
    re_path(r"^activity-types/(?P<pk>[^/]+)/?$", OneActivityType.as_view(), name="activity_type"),
    re_path(r"^tags/?$", Tags.as_view(), name="tags"),
    re_path(r"^tags/(?P<pk>[^/]+)/?$", OneTag.as_view(), name="tag"),
    re_path(r"^lists/?$", Lists.as_view(), name="lists"),
    re_path(r"^lists/(?P<pk>[^/]+)/?$", OneList.as_view(), name="list"),
    re_path(r"^campaigns/?$", Campaigns.as_view(), name="campaigns"),
    re_path(r"^campaigns/(?P<pk>[^/]+)/?$", OneCampaign.as_view(), name="campaign"),
    re_path(r"^custom-fields/?$", CustomFields.as_view(), name="custom_fields"),
    re_path(r"^custom-fields/(?P<pk>[^/]+)/?$", OneCustomField.as_view(), name="custom_field"),
    re_path(r"^forms/?$", Forms.as_view(), name="forms"),
    re_path(r"^forms/(?P<pk>[^/]+)/?$", OneForm.as_view(), name="form"),
    re_path(r"^users/?$", Users.as_view(), name="users"),
    re_path(r"^users/(?P<pk>[^/]+)/?$", OneUser.as_view(), name="user"),
    re_path(r"^leaves/?$", Leaves.as_view(), name="leaves"),
    re_path(r"^leaves/(?P<pk>[^/]+)/?$", OneLeave.as_view(), name="leave"),
]
