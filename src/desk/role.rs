//! Roles: who may ask what, decided in one table for every door.
//!
//! Every question checks the role of its caller. On a message bus the policy stands before that, one with this table by test, and
//! the caller's own name is looked up only where it matters: whose a consumer is.

use super::{Desk, Refusal};

/// The most consumers of one caller: all together there is room for 64, and the slowest keeps its messages on the card.
const OWN_CONSUMERS: usize = 8;

/// A role that a caller has at the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sees how Holdfast is doing, and nothing secret.
    Read,
    /// Sends, reads and acknowledges messages: all that a bot needs.
    Message,
    /// May ask everything.
    Admin,
}

/// One row an ask: its name, and the roles that may, beside [`Role::Admin`].
macro_rules! asks {
    ($($(#[doc = $doc:literal])* $ask:ident: $($role:ident)*;)*) => {
        /// Something that can be asked at the desk.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Ask { $($(#[doc = $doc])* $ask,)* }

        impl Role {
            /// Whether the role may ask it.
            pub fn may(self, ask: Ask) -> bool {
                let allowed: &[Role] = match ask { $(Ask::$ask => &[$(Role::$role),*],)* };
                self == Self::Admin || allowed.contains(&self)
            }
        }
    };
}

asks! {
    /// The state, its cause, the last digits of the account, faults of the panel; and news of all these.
    Status: Read Message;
    /// Sending a message.
    Send: Message;
    /// How far a sent message is.
    MessageState: Read Message;
    /// What waits to be sent: to whom, and why it was not yet.
    Outbox: Message;
    /// Dropping a message that waits to be sent.
    DropMessage: Message;
    /// The text of received messages.
    ReadMessages: Message;
    /// Saying which messages a consumer is done with; for a consumer of one's own, or for any as [`Role::Admin`].
    Acknowledge: Message;
    /// How far a consumer has read.
    Cursor: Read Message;
    /// The list of consumers.
    Consumers: Read Message;
    /// Forgetting a consumer; one of one's own, or any as [`Role::Admin`].
    ForgetConsumer: Message;
    /// Counts of key records.
    Records: Read;
    /// Counts of what is written to the disk, and how long it lasts.
    Wear: Read;
    /// How the last run ended, and how this start went.
    BootReport: Read;
    /// The incidents.
    Incidents: Read;
    /// The audit log.
    Audit: Read;
    /// The list of archives.
    Archives: Read;
    /// The screen without any code.
    Frame: Read;
    /// The screen with a code that links a phone.
    FrameWithCredential:;
    /// A press of the button.
    Press:;
    /// Linking, or connecting, now.
    Link:;
    /// Giving the link up for a new one.
    Relink:;
    /// A passkey's request, and its answer.
    Passkey:;
    /// A test of the connection.
    SelfTest:;
    /// The stanzas by which WhatsApp ended a connection; they may name the account.
    LastWords:;
    /// The versions in the slots, and what became of the last update.
    UpdateReport: Read;
    /// Installing a new version.
    Update:;
    /// Bringing an archive back.
    Restore:;
    /// Handing an archive out.
    Export:;
    /// Taking an archive in.
    Import:;
    /// The owner's settings of the machine, which name networks and people.
    Settings:;
    /// Changing them.
    ChangeSettings:;
}

/// The caller behind a request: a role, and a name that consumers are called after.
#[derive(Clone)]
pub struct Caller {
    role: Role,
    name: String,
}

impl Caller {
    /// A caller of this role, with the name of its user or key.
    pub fn new(role: Role, name: impl Into<String>) -> Self {
        Self {
            role,
            name: name.into(),
        }
    }

    /// The operator of this machine.
    pub fn admin() -> Self {
        Self::new(Role::Admin, String::new())
    }

    /// The caller's role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// A consumer is its caller's own when it is called like the caller, alone or before a slash. Nothing has to be kept for
    /// that, and no name can be taken by another before its owner comes.
    fn owns(&self, consumer: &str) -> bool {
        let rest = consumer.strip_prefix(&self.name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Desk {
    /// The same desk for another caller.
    pub fn serve(&self, caller: Caller) -> Self {
        Self {
            caller,
            lines: self.lines.clone(),
            files: self.files.clone(),
            turns: self.turns.clone(),
        }
    }

    /// Refuses what the caller's role may not ask.
    pub(super) fn check(&self, ask: Ask) -> Result<(), Refusal> {
        if self.caller.role.may(ask) {
            Ok(())
        } else {
            Err(Refusal::NotAllowed)
        }
    }

    /// Refuses what concerns another's consumer.
    pub(super) fn check_owner(&self, consumer: &str) -> Result<(), Refusal> {
        if self.caller.role == Role::Admin || self.caller.owns(consumer) {
            Ok(())
        } else {
            Err(Refusal::NotYours {
                name: self.caller.name.clone(),
            })
        }
    }

    /// Refuses an acknowledgement for another's consumer, and for one consumer too many of the caller's own; `known` ones there
    /// are.
    pub(super) fn check_consumer(&self, consumer: &str, known: &[String]) -> Result<(), Refusal> {
        self.check(Ask::Acknowledge)?;
        if self.caller.role == Role::Admin {
            return Ok(());
        }
        self.check_owner(consumer)?;
        let own = known.iter().filter(|name| self.caller.owns(name)).count();
        if own < OWN_CONSUMERS || known.iter().any(|name| name == consumer) {
            Ok(())
        } else {
            Err(Refusal::InvalidArgument(format!(
                "There are {own} consumers of yours already; use one of their names."
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_belongs_to_the_caller_it_is_called_after() {
        let anna = Caller::new(Role::Message, "anna");
        for own in ["anna", "anna/", "anna/weather"] {
            assert!(anna.owns(own), "{own}");
        }
        for other in ["", "ann", "annabel", "anna.weather", "bert", "bert/anna"] {
            assert!(!anna.owns(other), "{other}");
        }
    }

    #[test]
    fn a_bot_reads_messages_and_nothing_that_links() {
        for ask in [Ask::Send, Ask::ReadMessages, Ask::Acknowledge] {
            assert!(Role::Message.may(ask) && !Role::Read.may(ask), "{ask:?}");
        }
        for ask in [
            Ask::Relink,
            Ask::Export,
            Ask::FrameWithCredential,
            Ask::LastWords,
        ] {
            assert!(Role::Admin.may(ask), "{ask:?}");
            assert!(!Role::Message.may(ask) && !Role::Read.may(ask), "{ask:?}");
        }
    }
}
