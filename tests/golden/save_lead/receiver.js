const express = require("express");
const app = express();
app.post("/webhooks/leads", express.json(), (req, res) => {
const leadData = req.body.data;
console.log("Received new lead:", leadData);
// Process the lead data here
res.status(200).send("Webhook received");
});
app.listen(3000, () => {
console.log("Webhook server listening on port 3000");
});
