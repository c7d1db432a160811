//! The stored form of an answer.

use pipeline::answers::CachedAnswer;
use storage::control_plane::{AnswerQuestion, StoredAnswer};

/// The longest stored answer. The longest valid answer has about 70,000 characters.
const ENTRY_BYTES_MAX: usize = 1024 * 1024;

/// The answer's text with its digest. None if it is too long to be kept.
pub(super) fn written(question: &AnswerQuestion, answer: &CachedAnswer) -> Option<StoredAnswer> {
    let text = serde_json::to_string(answer).ok().filter(|text| text.len() <= ENTRY_BYTES_MAX)?;
    Some(StoredAnswer { sha256: question.digest(&text), text })
}

/// The answer in a stored text. None if its digest does not match, or if its form is unknown.
pub(super) fn read(question: &AnswerQuestion, stored: &StoredAnswer) -> Option<CachedAnswer> {
    if question.digest(&stored.text) != stored.sha256 {
        return None;
    }
    serde_json::from_str(&stored.text).ok()
}

#[cfg(test)]
mod tests {
    use pipeline::{
        answers::AnswerContent,
        clock::Timestamp,
        record::Reuse,
        run::{RunId, Stage},
    };
    use storage::control_plane::Principal;

    use super::*;

    fn question(principal: &str, key: &str) -> AnswerQuestion {
        AnswerQuestion {
            principal: Principal::parse(principal).unwrap(),
            run: RunId::parse("run-1").unwrap(),
            stage: Stage::InputProcessing,
            key: key.to_owned(),
        }
    }

    #[test]
    fn an_entry_answers_its_own_question_alone() {
        let answer = CachedAnswer {
            content: AnswerContent {
                answer: serde_json::json!({"a": 1}),
                provider: "p".to_owned(),
                model: "m".to_owned(),
                prompt_version: "v".to_owned(),
                structured_output: None,
                warnings: vec!["w".to_owned()],
            },
            origin: Reuse { reused_from: RunId::parse("run-1").unwrap(), answered_at: Timestamp::default() },
        };
        let stored = written(&question("a", "k"), &answer).unwrap();
        assert_eq!(read(&question("a", "k"), &stored), Some(answer));
        assert_eq!(read(&question("b", "k"), &stored), None);
        assert_eq!(read(&question("a", "l"), &stored), None);
        let forged = StoredAnswer { text: stored.text.replace("\"a\":1", "\"a\":2"), ..stored };
        assert_eq!(read(&question("a", "k"), &forged), None);
    }
}
