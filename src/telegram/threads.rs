//! One message for each incident: what it says now, and whether the next word of it edits that
//! message or needs a new one with sound.
//!
//! Inputs: reports, questions, time. Must never know the network; [`super::outbox`] decides when a
//! thread is brought up to date.

use std::collections::BTreeMap;

use super::command::Choice;
use super::outbox::{Lane, OUTBOX_MAX};
use super::render;
use crate::domain::{MINUTE_MS, Timestamp};
use crate::guard::action::{Report, ReportKind, Severity};
use crate::guard::event::Question;
use crate::guard::intent::{IntentId, Scope};

/// Most threads remembered, more than can wait in the outbox. The longest untouched one goes first
/// that neither asks anything nor has anything loud to say still.
const THREADS_MAX: usize = 2 * OUTBOX_MAX;
/// Most lines of one message.
const LINES_MAX: usize = 12;
/// Most UTF-16 units of one line.
const LINE_UNITS_MAX: usize = 900;
/// Most closing sentences below a question.
const CLOSINGS_MAX: usize = 4;
/// A state message older than this is not edited any more: nobody would see it so far up.
const HEAD_AGE_MAX_MS: i64 = 30 * MINUTE_MS;

/// Identity of an incident.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ThreadKey {
    /// One act, from the question to its verified end.
    Rescue(IntentId),
    Level(Scope),
    /// What watch mode would have done.
    WouldDo(Scope),
    Mismatch(Option<Scope>),
    /// Blind and seeing again.
    Sight(Option<Scope>),
    /// A report that belongs to nothing else.
    Single(u64),
}

/// How a thread is to be brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    /// The message to edit; `None`: a new one.
    pub(super) edit: Option<i32>,
    pub(super) text: String,
    pub(super) sound: bool,
    /// Buttons for this intent.
    pub(super) buttons: Option<IntentId>,
    /// The message that the new one replaces, while it still has buttons.
    pub(super) strip: Option<(i32, String)>,
    /// Number of the newest line that it holds.
    upto: u64,
}

/// What a pressed button meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// The question stands: tell the agent.
    Open,
    /// The other press is still being told.
    Deciding,
    Closed(String),
    Unknown,
}

#[derive(Debug, Default)]
pub(super) struct Threads {
    map: BTreeMap<ThreadKey, Thread>,
    next_single: u64,
}

#[derive(Debug)]
struct Thread {
    title: String,
    lines: Vec<Line>,
    last_number: u64,
    left_out: u32,
    question: Option<Asked>,
    head: Option<Head>,
    /// The next word needs a new message.
    fresh: bool,
    sound: bool,
    touched_at: Timestamp,
}

/// The message that shows this thread.
#[derive(Debug, Clone)]
struct Head {
    message: i32,
    text: String,
    buttons: bool,
    since: Timestamp,
    loudest: Severity,
}

#[derive(Debug)]
struct Line {
    number: u64,
    severity: Severity,
    text: String,
    delivered: bool,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    state: AskedState,
    closings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AskedState {
    Open,
    Deciding,
    Closed,
}

impl Threads {
    /// Adds a report to its thread. `None`: the question itself says all that this report would.
    pub(super) fn report(&mut self, report: &Report, now: Timestamp) -> Option<(ThreadKey, Lane)> {
        if report.kind == ReportKind::Asked && report.severity != Severity::Alarm {
            return None;
        }
        let key = self.key_of(report);
        let replaces = match &key {
            ThreadKey::Rescue(_) | ThreadKey::Single(_) => false,
            ThreadKey::Level(_)
            | ThreadKey::WouldDo(_)
            | ThreadKey::Mismatch(_)
            | ThreadKey::Sight(_) => true,
        };
        let title = render::report_title(report);
        let thread = self.open(&key, title, now);
        if replaces {
            thread.age(now);
            thread.lines.retain(|line| line.delivered);
        }
        let louder = thread
            .head
            .as_ref()
            .is_none_or(|head| report.severity > head.loudest);
        if report.severity == Severity::Alarm || louder {
            thread.renew();
        }
        thread.sound |= report.severity > Severity::Info;
        let text = render::line(report.at, report.kind, &report.text);
        thread.say(report.severity, &text);
        let lane = match report.severity {
            Severity::Alarm => Lane::Urgent,
            Severity::Warning => Lane::Warning,
            Severity::Info => Lane::Info,
        };
        Some((key, lane))
    }

    /// Opens a question: always a new message with sound.
    pub(super) fn ask(&mut self, question: Question, now: Timestamp) -> (ThreadKey, Lane) {
        let key = ThreadKey::Rescue(question.intent.id.clone());
        let title = render::intent_title(&question.intent);
        let thread = self.open(&key, title, now);
        thread.renew();
        thread.sound = true;
        thread.question = Some(Asked {
            question,
            state: AskedState::Open,
            closings: Vec::new(),
        });
        (key, Lane::Urgent)
    }

    /// The question no longer stands.
    pub(super) fn unask(&mut self, intent: &IntentId, text: &str) -> Option<(ThreadKey, Lane)> {
        self.close(intent, &render::clean_lines(text))
    }

    /// Notes the press of a button and says what it met.
    pub(super) fn press(&mut self, intent: &IntentId, now: Timestamp) -> Standing {
        let Some(asked) = self.asked(intent) else {
            return Standing::Unknown;
        };
        match asked.state {
            AskedState::Open if asked.question.deadline <= now => {
                Standing::Closed("The deadline has passed.".to_owned())
            }
            AskedState::Open => {
                asked.state = AskedState::Deciding;
                Standing::Open
            }
            AskedState::Deciding => Standing::Deciding,
            AskedState::Closed => {
                let last = asked.closings.last().cloned();
                Standing::Closed(last.unwrap_or_else(|| "It is closed.".to_owned()))
            }
        }
    }

    /// Since when the question about `intent` is in the chat.
    pub(super) fn shown_since(&self, intent: &IntentId) -> Option<Timestamp> {
        let thread = self.map.get(&ThreadKey::Rescue(intent.clone()))?;
        thread.head.as_ref().map(|head| head.since)
    }

    /// The agent took the answer.
    pub(super) fn decided(
        &mut self,
        intent: &IntentId,
        choice: Choice,
        sentence: &str,
        now: Timestamp,
    ) -> Option<(ThreadKey, Lane)> {
        let word = match choice {
            Choice::Approve => "approved",
            Choice::Decline => "declined",
        };
        let sentence = render::clean_lines(sentence);
        let closing = format!("{} UTC You {word}. {sentence}", now.clock());
        self.close(intent, closing.trim_end())
    }

    /// The agent did not take the answer: the question stands as before.
    pub(super) fn undecided(&mut self, intent: &IntentId) {
        if let Some(asked) = self.asked(intent)
            && asked.state == AskedState::Deciding
        {
            asked.state = AskedState::Open;
        }
    }

    /// Closes the questions whose deadline has passed.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<(ThreadKey, Lane)> {
        let due: Vec<IntentId> = self
            .open_questions()
            .filter(|question| question.deadline <= now)
            .map(|question| question.intent.id.clone())
            .collect();
        due.into_iter()
            .filter_map(|id| {
                let question = &self.asked(&id)?.question;
                let meaning = if question.silence_acts {
                    "silence means yes"
                } else {
                    "silence means no"
                };
                let at = question.deadline.clock();
                self.close(&id, &format!("{at} UTC No answer came; {meaning}."))
            })
            .collect()
    }

    /// The earliest deadline of an open question.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.open_questions()
            .map(|question| question.deadline)
            .min()
    }

    /// What brings the thread up to date; `None` when it is, or when it is forgotten.
    pub(super) fn compose(&mut self, key: &ThreadKey, now: Timestamp) -> Option<Letter> {
        let thread = self.map.get_mut(key)?;
        let text = thread.text(now);
        let buttons = thread.buttons();
        let head = thread.head.as_ref();
        let edit = head.filter(|_| !thread.fresh).map(|head| head.message);
        if edit.is_some()
            && head.is_some_and(|head| head.text == text && head.buttons == buttons.is_some())
        {
            thread.settle(thread.last_number);
            return None;
        }
        let strip = head
            .filter(|head| thread.fresh && head.buttons)
            .map(|head| (head.message, head.text.clone()));
        let letter = Letter {
            edit,
            text,
            sound: thread.sound,
            buttons,
            strip,
            upto: thread.last_number,
        };
        thread.fresh = false;
        thread.sound = false;
        Some(letter)
    }

    /// The letter arrived as, or in, `message`.
    pub(super) fn delivered(
        &mut self,
        key: &ThreadKey,
        letter: &Letter,
        message: i32,
        now: Timestamp,
    ) {
        if matches!(key, ThreadKey::Single(_)) {
            self.map.remove(key);
            return;
        }
        let Some(thread) = self.map.get_mut(key) else {
            return;
        };
        thread.settle(letter.upto);
        let old = thread.head.as_ref().filter(|_| letter.edit.is_some());
        let shown = thread.lines.iter().filter(|line| line.delivered);
        let loudest = shown.map(|line| line.severity).max();
        thread.head = Some(Head {
            message,
            text: letter.text.clone(),
            buttons: letter.buttons.is_some(),
            since: old.map_or(now, |head| head.since),
            loudest: loudest
                .max(old.map(|head| head.loudest))
                .max(letter.sound.then_some(Severity::Warning))
                .unwrap_or(Severity::Info),
        });
    }

    /// The letter did not arrive: say the same and all that is newer next time.
    pub(super) fn failed(&mut self, key: &ThreadKey, letter: &Letter) {
        if let Some(thread) = self.map.get_mut(key) {
            thread.fresh |= letter.edit.is_none();
            thread.sound |= letter.sound;
        }
    }

    /// The message is gone from the chat: the next word needs a new one.
    pub(super) fn lost(&mut self, key: &ThreadKey) {
        if let Some(thread) = self.map.get_mut(key) {
            thread.head = None;
        }
    }

    /// The outbox gave this thread up; a report of its own is forgotten, a state waits for the next.
    pub(super) fn given_up(&mut self, key: &ThreadKey) {
        if matches!(key, ThreadKey::Single(_)) {
            self.map.remove(key);
        }
    }

    fn key_of(&mut self, report: &Report) -> ThreadKey {
        let scope = report.scope.clone();
        match (report.kind, &report.intent, scope) {
            (ReportKind::WouldDo, _, Some(scope)) => ThreadKey::WouldDo(scope),
            (_, Some(intent), _) => ThreadKey::Rescue(intent.id.clone()),
            (ReportKind::Level, None, Some(scope)) => ThreadKey::Level(scope),
            (ReportKind::Mismatch, None, scope) => ThreadKey::Mismatch(scope),
            (ReportKind::Blind | ReportKind::Sighted, None, scope) => ThreadKey::Sight(scope),
            (
                ReportKind::Started
                | ReportKind::Level
                | ReportKind::Asked
                | ReportKind::Sent
                | ReportKind::Verified
                | ReportKind::NotKnown
                | ReportKind::NotDone
                | ReportKind::WouldDo
                | ReportKind::Foreign
                | ReportKind::Powerless
                | ReportKind::Mode,
                None,
                _,
            ) => {
                self.next_single = self.next_single.saturating_add(1);
                ThreadKey::Single(self.next_single)
            }
        }
    }

    fn open(&mut self, key: &ThreadKey, title: String, now: Timestamp) -> &mut Thread {
        if self.map.len() >= THREADS_MAX && !self.map.contains_key(key) {
            let oldest = self
                .map
                .iter()
                .min_by_key(|(_, thread)| (thread.asks(), thread.unsaid(), thread.touched_at))
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.map.remove(&oldest);
            }
        }
        let thread = self.map.entry(key.clone()).or_insert_with(|| Thread {
            title,
            lines: Vec::new(),
            last_number: 0,
            left_out: 0,
            question: None,
            head: None,
            fresh: true,
            sound: false,
            touched_at: now,
        });
        thread.touched_at = now;
        thread
    }

    fn close(&mut self, intent: &IntentId, closing: &str) -> Option<(ThreadKey, Lane)> {
        let asked = self.asked(intent)?;
        asked.state = AskedState::Closed;
        let news = !closing.is_empty() && !asked.closings.iter().any(|said| said == closing);
        if news && asked.closings.len() < CLOSINGS_MAX {
            asked
                .closings
                .push(render::shorten(closing, LINE_UNITS_MAX));
        }
        Some((ThreadKey::Rescue(intent.clone()), Lane::Urgent))
    }

    fn asked(&mut self, intent: &IntentId) -> Option<&mut Asked> {
        let key = ThreadKey::Rescue(intent.clone());
        self.map.get_mut(&key)?.question.as_mut()
    }

    fn open_questions(&self) -> impl Iterator<Item = &Question> {
        self.map
            .values()
            .filter_map(|thread| thread.question.as_ref())
            .filter(|asked| asked.state == AskedState::Open)
            .map(|asked| &asked.question)
    }
}

impl Thread {
    /// The next word goes into a new message, which does not repeat what the old one shows.
    fn renew(&mut self) {
        self.fresh = true;
        self.lines.retain(|line| !line.delivered);
        self.left_out = 0;
    }

    /// Gives up a message that has scrolled away.
    fn age(&mut self, now: Timestamp) {
        let old = self
            .head
            .as_ref()
            .is_some_and(|head| now.since(head.since) > HEAD_AGE_MAX_MS);
        if old {
            self.head = None;
            self.renew();
        }
    }

    /// Lines up to this number are in the chat.
    fn settle(&mut self, upto: u64) {
        for line in &mut self.lines {
            line.delivered |= line.number <= upto;
        }
    }

    fn say(&mut self, severity: Severity, text: &str) {
        self.last_number = self.last_number.saturating_add(1);
        self.lines.push(Line {
            number: self.last_number,
            severity,
            text: render::shorten(text, LINE_UNITS_MAX),
            delivered: false,
        });
        if self.lines.len() > LINES_MAX {
            self.lines.remove(0);
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    fn asks(&self) -> bool {
        let asked = self.question.as_ref();
        asked.is_some_and(|asked| asked.state != AskedState::Closed)
    }

    /// The loudest line that is not in the chat yet.
    fn unsaid(&self) -> Option<Severity> {
        let waiting = self.lines.iter().filter(|line| !line.delivered);
        waiting.map(|line| line.severity).max()
    }

    fn buttons(&self) -> Option<IntentId> {
        self.question
            .as_ref()
            .filter(|asked| asked.state != AskedState::Closed)
            .map(|asked| asked.question.intent.id.clone())
    }

    /// The whole message; older lines give way when it would be too long.
    fn text(&self, now: Timestamp) -> String {
        let mut blocks = Vec::new();
        match (&self.question, self.lines.last()) {
            (Some(asked), last) => {
                if let Some(last) = last {
                    blocks.push(render::heading(last.severity, &self.title));
                }
                blocks.push(match asked.state {
                    AskedState::Open | AskedState::Deciding => {
                        render::question(&asked.question, now)
                    }
                    AskedState::Closed => render::closed_question(&asked.question),
                });
                blocks.extend(asked.closings.iter().cloned());
            }
            (None, Some(last)) => blocks.push(render::heading(last.severity, &self.title)),
            (None, None) => blocks.push(self.title.clone()),
        }
        let above = render::shorten(&blocks.join("\n"), render::MESSAGE_UNITS_MAX / 2);
        let mut skip = 0;
        loop {
            let left_out = self
                .left_out
                .saturating_add(u32::try_from(skip).unwrap_or(u32::MAX));
            let mut text = above.clone();
            if left_out > 0 {
                text.push_str(&format!("\n({left_out} earlier lines left out)"));
            }
            for line in self.lines.iter().skip(skip) {
                text.push('\n');
                text.push_str(&line.text);
            }
            if render::units(&text) <= render::MESSAGE_UNITS_MAX || skip >= self.lines.len() {
                return render::shorten(&text, render::MESSAGE_UNITS_MAX);
            }
            skip = skip.saturating_add(1);
        }
    }
}

#[cfg(test)]
#[path = "threads_tests.rs"]
mod tests;
