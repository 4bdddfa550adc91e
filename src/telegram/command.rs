//! What the trader may type, and what is written on buttons.
//!
//! Inputs: text. Must never know who wrote it; [`super::authorise`] has judged that before.

use crate::guard::event::{Command, Mode};
use crate::guard::intent::IntentId;

/// Most bytes that Telegram takes as the hidden data of a button.
/// Source: core.telegram.org/bots/api#inlinekeyboardbutton.
const CALLBACK_BYTES_MAX: usize = 64;

/// The commands, one line each.
pub(super) const HELP: &str = "\
/status - mode, blindness, balances and every position with its line
/pos - the positions, one line each
/plan - per position the act price, the odds, and the rescue with its alternatives
/pause - send nothing until /resume
/resume - go on
/mode - which mode is set
/mode watch, /mode ask, /mode auto - set it, never above the one in the configuration file
/version - which version runs
/help - this list";

/// One line that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    Status,
    Positions,
    /// What lies ahead.
    Plan,
    /// Show the mode.
    Mode,
    /// For the agent to decide.
    Tell(Command),
    Help,
    Version,
    /// A pairing code, though this chat is paired.
    Pair,
    /// `/mode` with a word that is no mode.
    NoSuchMode,
    Unknown,
}

/// Reads one message. Anything that is not exactly a known command is [`Order::Unknown`].
pub(super) fn parse(text: &str) -> Order {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default().to_ascii_lowercase();
    let name = first.split('@').next().unwrap_or_default();
    let argument = words.next().map(str::to_ascii_lowercase);
    if name == "/mode" {
        return match (argument.as_deref(), words.next()) {
            (None, _) => Order::Mode,
            (Some("watch"), None) => Order::Tell(Command::Mode(Mode::Watch)),
            (Some("ask"), None) => Order::Tell(Command::Mode(Mode::Ask)),
            (Some("auto"), None) => Order::Tell(Command::Mode(Mode::Auto)),
            (Some(_), _) => Order::NoSuchMode,
        };
    }
    match name {
        "/status" => Order::Status,
        "/pos" => Order::Positions,
        "/plan" => Order::Plan,
        "/pause" => Order::Tell(Command::Pause),
        "/resume" => Order::Tell(Command::Resume),
        "/help" | "/start" => Order::Help,
        "/version" => Order::Version,
        "/pair" => Order::Pair,
        _ => Order::Unknown,
    }
}

/// The two answers to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Approve,
    Decline,
}

impl Choice {
    /// The guard's command for this answer.
    pub(super) fn command(self, intent: IntentId) -> Command {
        match self {
            Self::Approve => Command::Approve(intent),
            Self::Decline => Command::Decline(intent),
        }
    }

    fn letter(self) -> &'static str {
        match self {
            Self::Approve => "a",
            Self::Decline => "d",
        }
    }
}

/// Hidden data of the button for `choice`; `None` when the id does not fit into one.
pub(super) fn button_data(choice: Choice, intent: &IntentId) -> Option<String> {
    let data = format!("{}:{intent}", choice.letter());
    (data.len() <= CALLBACK_BYTES_MAX).then_some(data)
}

/// Reads the data of a pressed button back.
pub(super) fn read_button(data: &str) -> Option<(Choice, IntentId)> {
    let (letter, id) = data.split_once(':')?;
    let choice = [Choice::Approve, Choice::Decline]
        .into_iter()
        .find(|choice| choice.letter() == letter)?;
    (!id.is_empty()).then(|| (choice, IntentId::from_text(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_whatever_their_case() {
        for (text, order) in [
            ("/status", Order::Status),
            (" /Status@plimsoll_bot ", Order::Status),
            ("/pos", Order::Positions),
            ("/pause", Order::Tell(Command::Pause)),
            ("/resume", Order::Tell(Command::Resume)),
            ("/mode", Order::Mode),
            ("/mode watch", Order::Tell(Command::Mode(Mode::Watch))),
            ("/mode ASK", Order::Tell(Command::Mode(Mode::Ask))),
            ("/mode auto", Order::Tell(Command::Mode(Mode::Auto))),
            ("/mode auto now", Order::NoSuchMode),
            ("/mode fast", Order::NoSuchMode),
            ("/help", Order::Help),
            ("/start", Order::Help),
            ("/version", Order::Version),
            ("/pair ABCD", Order::Pair),
            ("/buy BTC", Order::Unknown),
            ("resume", Order::Unknown),
            ("", Order::Unknown),
        ] {
            assert_eq!(parse(text), order, "{text}");
        }
    }

    #[test]
    fn buttons_carry_the_intent_within_64_bytes() {
        let id = IntentId::new("k3f9", u64::MAX);
        for choice in [Choice::Approve, Choice::Decline] {
            let data = button_data(choice, &id).expect("fits");
            assert!(data.len() <= 64);
            assert_eq!(read_button(&data), Some((choice, id.clone())));
        }
        let long = IntentId::from_text(&"x".repeat(63));
        assert_eq!(button_data(Choice::Approve, &long), None);
        for nonsense in ["", "a", "a:", "z:plim-1-1", "ab:c"] {
            assert_eq!(read_button(nonsense), None, "{nonsense}");
        }
    }
}
