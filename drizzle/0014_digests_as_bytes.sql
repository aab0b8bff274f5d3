ALTER TABLE "api_keys" SET (fillfactor = 85);--> statement-breakpoint
ALTER TABLE "api_keys" ALTER COLUMN "digest" SET DATA TYPE bytea USING decode(translate("digest", '-_', '+/') || '=', 'base64');
