-- No release has written an event here: events are derived from the stored run.
DROP TABLE "RunEvent";
