-- Answers of the model that later runs of the same owner may use. An entry without an answer is being asked for: its leader
-- renews "leaderUntil", and another run takes over when that time has passed.
CREATE TABLE IF NOT EXISTS "innovation"."AnswerCache" (
  "principal" TEXT NOT NULL,
  -- SHA-256 (hex) of everything that the answer depends on.
  "key" TEXT NOT NULL,
  "stage" INTEGER NOT NULL,
  -- JSON as it was written, and the SHA-256 (hex) of owner, key and text.
  "answer" TEXT,
  "sha256" TEXT,
  "answeredAt" TIMESTAMPTZ(3),
  "leader" TEXT,
  "leaderUntil" TIMESTAMPTZ(3),
  "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  PRIMARY KEY ("principal", "key"),
  CHECK (("answer" IS NULL) = ("sha256" IS NULL) AND ("answer" IS NULL) = ("answeredAt" IS NULL)),
  CHECK ("answer" IS NOT NULL OR ("leader" IS NOT NULL AND "leaderUntil" IS NOT NULL))
);

-- The runs that use an entry. An entry goes with the last of them.
CREATE TABLE IF NOT EXISTS "innovation"."AnswerUse" (
  "runId" TEXT NOT NULL,
  "principal" TEXT NOT NULL,
  "key" TEXT NOT NULL,
  PRIMARY KEY ("runId", "principal", "key"),
  FOREIGN KEY ("principal", "key") REFERENCES "innovation"."AnswerCache"("principal", "key") ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS "AnswerUse_principal_key_idx" ON "innovation"."AnswerUse"("principal", "key");

-- Runs whose request says that no answer may be reused, and none kept. It is written before the run is accepted, so that it
-- counts for the owner of the request alone.
CREATE TABLE IF NOT EXISTS "innovation"."AnswerCacheOff" (
  "runId" TEXT NOT NULL,
  "principal" TEXT NOT NULL,
  "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  PRIMARY KEY ("runId", "principal")
);
