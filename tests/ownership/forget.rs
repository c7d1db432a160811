//! `innovation forget --user` deletes all runs of a user, and nothing else.

use super::{ADMIN, ask, command, ended, post, with_keys};
use crate::support::{
    openrouter::Reply,
    service::{DUAL_WRITE, FILE_ONLY, TestEnv},
};

const FORGET: [&str; 3] = ["forget", "--user", "user_gone"];

#[tokio::test]
async fn a_users_runs_are_deleted_for_good() {
    for mode in [DUAL_WRITE, FILE_ONLY] {
        let env =
            if mode == FILE_ONLY { TestEnv::files_only().await } else { TestEnv::with_database().await };
        let service = env.serve(&with_keys(mode)).await;
        for (run, user) in [("gone-1", "user_gone"), ("gone-2", "user_gone"), ("kept", "user_kept")] {
            let mut request = env.request(run);
            request["user_id"] = user.into();
            assert_eq!(post(&service, ADMIN, &request).await.0, 202);
            ended(&service, run).await;
        }
        env.model.script([Reply::HangBeforeHeaders]);
        let mut request = env.request("open");
        request["user_id"] = "user_gone".into();
        assert_eq!(post(&service, ADMIN, &request).await.0, 202);
        let (code, lines, _) = command(&env, &FORGET);
        let would = &lines[0]["would_delete"];
        assert_eq!((code, &would["runs"], &would["under_way"]), (Some(0), &3.into(), &1.into()), "{would}");
        let (code, lines, text) = command(&env, &[&FORGET[..], &["--yes"]].concat());
        assert_eq!((code, lines.len()), (Some(1), 0), "{text}");
        assert_eq!(ask(&service, ADMIN, "GET", "/status/gone-1").await.0, 200, "nothing is deleted yet");
        let (code, lines, text) = command(&env, &[&FORGET[..], &["--yes", "--cancel"]].concat());
        assert_eq!((code, &lines[0]["deleted"]), (Some(0), &3.into()), "{text}");
        for run in ["gone-1", "gone-2", "open"] {
            assert_eq!(ask(&service, ADMIN, "GET", &format!("/status/{run}")).await.0, 410, "{run}");
            assert!(!env.run_folder(run).join("run.json").exists(), "{run}");
        }
        assert_eq!(ask(&service, ADMIN, "GET", "/status/kept").await.1["status"], "complete");
        let (code, lines, _) = command(&env, &[&FORGET[..], &["--yes"]].concat());
        assert_eq!((code, &lines[0]["deleted"]), (Some(0), &0.into()), "it can be repeated");
        let (_, audit) = ask(&service, ADMIN, "GET", "/api/admin/audit").await;
        assert_eq!(audit["records"][0]["action"], "user.forget");
        assert!(!audit.to_string().contains("user_gone"), "{audit}");
        if mode == DUAL_WRITE {
            let left = r#"SELECT count(*)::text FROM "PipelineRun" r JOIN "User" u ON u."id" = r."userId" WHERE u."clerkId" = 'user_gone'"#;
            assert_eq!(env.value(left).await, "0");
        }
    }
}
