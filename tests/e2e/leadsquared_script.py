"""A program as LeadSquared's pages of its webhook API describe one: python leadsquared_script.py HOST ACCESS SECRET URL

It makes a webhook of new leads, looks it up, changes it, and deletes it, and prints what it is answered.
"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request

HOST, ACCESS_KEY, SECRET_KEY, URL = sys.argv[1:]


def call(verb, body=None, **query):
    query = urllib.parse.urlencode({"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY, **query})
    request = urllib.request.Request(f"{HOST}/v2/Webhook.svc/{verb}?{query}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def webhook(**changes):
    return {
        "Description": "Description of webhook",
        "URL": URL,
        "Method": "POST",
        "ContentType": "application/json",
        "WebhookEvent": "3",
        "LandingPageUrls": None,
        "IsSpecificLandingPage": False,
        "NotifyOnFailure": True,
        "WebhookProperties": None,
        "CustomHeaders": [{"Key": "x-api-key", "Value": "first"}, {"Key": "x-api-key", "Value": "second"}],
        **changes,
    }


def retrieve():
    parameter = {
        "Type": "Webhook",
        "WebhookEvent": "Lead_Post_Create",
        "StatusCode": 0,
        "WebhookId": "",
        "SearchText": "",
    }
    sorting, paging = {"ColumnName": "ModifiedOn", "Direction": "1"}, {"PageIndex": 1, "PageSize": 25}
    return call("Retrieve", {"Parameter": parameter, "Sorting": sorting, "Paging": paging})


answers = [call("Create", webhook())]
pk = answers[0][1]["Message"]["Id"]
answers.append(retrieve())
answers.append(call("Update", webhook(WebhookId=pk, Description="Updated description")))
answers.append(retrieve())
if sys.stdin.read(1) == "d":  # what happens meanwhile, the caller decides
    answers.append(call("Delete", {}, webhookId=pk))
    answers.append(call("Delete", webhookId=pk))
    answers.append(retrieve())
answers.append(call("Create", webhook(WebhookEvent="36")))
answers.append(call("Delete", webhookId="7463290b-9dee-11e7-b0ab-02e89b2fb8f4"))
SECRET_KEY = "no such key"
answers.append(retrieve())
print(json.dumps(answers))
