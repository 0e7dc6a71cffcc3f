-- Several API processes listen at one address. Runs before the deploy.

-- Which of them: whoever signs in with the same number has taken that one's place.
ALTER TABLE processes ADD COLUMN number integer NOT NULL DEFAULT 1;
