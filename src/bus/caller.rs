//! The caller of a method: its role and its name, by the credentials that the message bus vouches for.

use holdfast_medium::{Stopped, blocking};
use nix::unistd::{Gid, Group, Uid, User};
use zbus::Connection;
use zbus::fdo::{ConnectionCredentials, DBusProxy};
use zbus::message::Header;

use super::Error;
use crate::desk::{Caller, Desk, Role};

/// The group whose members may ask everything.
const ADMINS: &str = "holdfast-admin";

/// The desk for the sender of a message, by its groups.
pub(super) async fn desk_for(
    desk: &Desk,
    connection: &Connection,
    header: &Header<'_>,
) -> Result<Desk, Error> {
    // The private socket lets nobody through but whom its desk is for.
    if !connection.is_bus() {
        return Ok(desk.clone());
    }
    let sender = header.sender().ok_or(zbus::Error::MissingField)?.clone();
    let bus = DBusProxy::new(connection).await?;
    let credentials = bus.get_connection_credentials(sender.into()).await;
    let credentials = credentials.map_err(zbus::Error::from)?;
    // The user database may lie on a network.
    let caller = blocking(move || Ok::<_, Stopped>(named(&credentials))).await;
    let caller = caller.ok().flatten();
    let unknown = || zbus::Error::Failure("the message bus does not say who calls".into());
    Ok(desk.serve(caller.ok_or_else(unknown)?))
}

fn named(credentials: &ConnectionCredentials) -> Option<Caller> {
    let user = Uid::from_raw(credentials.unix_user_id()?);
    if user.is_root() || user == Uid::effective() {
        return Some(Caller::admin());
    }
    let groups = credentials.unix_group_ids().map_or(&[][..], Vec::as_slice);
    let admins = Group::from_name(ADMINS).ok().flatten();
    if admins.is_some_and(|admins| {
        groups
            .iter()
            .any(|group| Gid::from_raw(*group) == admins.gid)
    }) {
        return Some(Caller::admin());
    }
    let known = User::from_uid(user).ok().flatten();
    let name = known.map_or_else(|| format!("uid-{user}"), |known| known.name);
    // The bus lets nobody through to a message who may not send one.
    Some(Caller::new(Role::Message, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_is_a_bot_of_its_own_name() {
        let caller = |user| named(&ConnectionCredentials::default().set_unix_user_id(user));
        let role = |user| caller(user).map(|caller| caller.role());
        let somebody = Uid::effective().as_raw() + 1;
        assert_eq!(role(0), Some(Role::Admin));
        assert_eq!(role(Uid::effective().as_raw()), Some(Role::Admin));
        assert_eq!(role(somebody), Some(Role::Message));
        assert!(named(&ConnectionCredentials::default()).is_none());
    }
}
