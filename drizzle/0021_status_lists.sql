-- The places of a list, 2^18 of them, are given in an order that nobody can tell who does not know the seed: a Feistel
-- network of four rounds maps the numbers of the sequence to places, list by list, each to another.
CREATE SEQUENCE "status_numbers" MINVALUE 0 START 0;
--> statement-breakpoint
CREATE FUNCTION next_status_index() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	number bigint := nextval('status_numbers');
	list bigint := number >> 18;
	high bigint := (number >> 9) & 511;
	low bigint := number & 511;
	secret bigint := (SELECT seed FROM status_order);
BEGIN
	FOR round IN 0..3 LOOP
		SELECT low, high # (hashint8extended((list << 11) | (round << 9) | low, secret) & 511) INTO high, low;
	END LOOP;
	RETURN (list << 18) | (high << 9) | low;
END $$;
--> statement-breakpoint
CREATE TABLE "status_order" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"seed" bigint NOT NULL
);
--> statement-breakpoint
INSERT INTO "status_order" ("seed") VALUES (hashtextextended(gen_random_uuid()::text || gen_random_uuid()::text, 0));
--> statement-breakpoint
CREATE TABLE "status_slots" (
	"index" bigint PRIMARY KEY DEFAULT next_status_index() NOT NULL,
	"key" "bytea" NOT NULL,
	"tags" text[] NOT NULL,
	"seen" "pg_snapshot" DEFAULT pg_current_snapshot() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "changes" ADD COLUMN "transaction" "xid8" DEFAULT pg_current_xact_id() NOT NULL;--> statement-breakpoint
ALTER TABLE "changes" ADD COLUMN "ends" boolean DEFAULT true NOT NULL;--> statement-breakpoint
CREATE INDEX "status_slots_key" ON "status_slots" USING btree ("key");--> statement-breakpoint
CREATE INDEX "status_slots_tags" ON "status_slots" USING gin ("tags") WITH (fastupdate=false);--> statement-breakpoint
CREATE INDEX "status_slots_expires_at" ON "status_slots" USING btree ("expires_at");