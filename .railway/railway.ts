// The project on Railway: `railway config plan` shows what would change, `railway config apply` changes it.
// `railway.json` says the same of one service, for services that were made before this file could be used; a test
// compares the two. A service that has settings here must not have that file.

import { defineRailway, github, postgres, preserve, project, service } from "railway/iac";

/** From SIGTERM to SIGKILL; longer than DRAIN_SECONDS (25). Railway's own default is 0: killed at once. */
const DRAINING_SECONDS = 30;

/** How long the old deployment goes on serving beside the new one. */
const OVERLAP_SECONDS = 10;

/** With more than one, only the database or a bucket may accept runs. */
const REPLICAS: number = 1;

export default defineRailway(() => {
  const database = postgres("postgres");

  const backend = service("backend", {
    // The repository that is deployed.
    source: github("owner/innovation-pipeline", { branch: "main" }),
    build: { builder: "DOCKERFILE", dockerfilePath: "Dockerfile" },
    deploy: {
      // In a container of its own, before the new deployment starts; if it fails, there is none.
      preDeployCommand: ["innovation migrate deploy"],
      startCommand: "innovation serve",
      // 200 while a run would be accepted, with or without the database.
      healthcheckPath: "/health",
      healthcheckTimeout: 120,
      drainingSeconds: DRAINING_SECONDS,
      overlapSeconds: OVERLAP_SECONDS,
      // Accepted runs wait in the queue for whoever comes back: no number of crashes is a reason to stay away.
      restartPolicyType: "ALWAYS",
      numReplicas: REPLICAS,
    },
    env: {
      DATABASE_URL: database.env.DATABASE_URL,
      DATABASE_URL_NON_POOLING: database.env.DATABASE_URL,
      ENABLE_DATABASE_WRITES: "true",
      ENABLE_FILE_FALLBACK: "true",
      // There is one replica, so its files may accept runs while the database is away or switched off.
      SINGLE_REPLICA: String(REPLICAS === 1),
      // The service compares its DRAIN_SECONDS with this, and Railway takes it for the setting.
      RAILWAY_DEPLOYMENT_DRAINING_SECONDS: String(DRAINING_SECONDS),
      RAILWAY_DEPLOYMENT_OVERLAP_SECONDS: String(OVERLAP_SECONDS),
      // Secrets are set in the dashboard and stay as they are.
      BACKEND_API_KEYS: preserve(),
      OPENROUTER_API_KEY: preserve(),
    },
  });

  return project("innovation-pipeline", { resources: [database, backend] });
});
