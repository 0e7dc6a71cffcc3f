-- Which webhooks workers have at the moment: a user gets a few at a time, however many receivers they name. Runs before the
-- deploy.

CREATE INDEX idx_webhook_deliveries_claimed ON webhook_deliveries (user_id) WHERE claim IS NOT NULL;
