<?php
// The recipe of LeadHub's own page (read 2026-11-21), after the two values that it takes for granted.
$rawBody = file_get_contents('php://input');
$secret = getenv('SECRET');

$computed = 'sha256=' . hash_hmac('sha256', $rawBody, $secret);
if (!hash_equals($computed, $_SERVER['HTTP_X_LEADHUB_SIGNATURE'])) {
http_response_code(401);
exit;
}
