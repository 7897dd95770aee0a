//! `--hand-over FILE`: a server that is started in the place of another gets its
//! sockets from that one, so that no request is lost between the two; and what holds
//! its program in the network driver, if it has one.
//!
//! The file is a UNIX socket at which the server that runs waits for the one to
//! come. That one connects, is told each socket (a line of JSON, and with it the
//! descriptor), starts to serve on them, and says so; then the other receives no
//! more, answers what it has received, and ends. What comes in between is
//! received by one of the two. If the new server does not say so, the old one
//! serves on.

use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use timeball::transport::inherited::{BoundSocket, Role};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tracing::warn;

/// How long either side waits for a word of the other.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest line about a socket.
const LINE: usize = 1024;
/// What the new server says when it serves.
const SERVING: &[u8] = b"serving";
/// What the old one says behind the last socket.
const THAT_IS_ALL: &[u8] = b"that is all";

/// What is said of a socket.
#[derive(Serialize, Deserialize)]
struct Line {
    role: Role,
    address: SocketAddr,
    interface: Option<String>,
}

/// The server that runs, as the one in its place sees it.
pub struct Predecessor(Socket);

impl Predecessor {
    /// Who waits at `file`, if anybody does.
    ///
    /// # Errors
    /// The operating system's; `PermissionDenied` for a process of another user.
    pub fn find(file: &Path) -> io::Result<Option<Self>> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        match socket.connect(&SockAddr::unix(file)?) {
            Ok(()) => {}
            Err(error) if is_nobody(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
        check_peer(&socket)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Some(Self(socket)))
    }

    /// Its sockets.
    ///
    /// # Errors
    /// The operating system's; `InvalidData` for what is no line of it.
    pub fn sockets(&self) -> io::Result<Vec<BoundSocket>> {
        let mut sockets = Vec::new();
        while let Some(socket) = self.next()? {
            sockets.push(socket);
        }
        Ok(sockets)
    }

    fn next(&self) -> io::Result<Option<BoundSocket>> {
        let mut line = [0; LINE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut line)],
            &mut control,
            flags,
        )?;
        let line = &line[..received.bytes];
        if line == THAT_IS_ALL {
            return Ok(None);
        }
        let descriptors = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let socket: Option<OwnedFd> = descriptors.flatten().next();
        let Line {
            role,
            address,
            interface,
        } = serde_json::from_slice(line)?;
        let socket = socket.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "no socket"))?;
        Ok(Some(BoundSocket {
            role,
            address,
            interface,
            socket,
        }))
    }

    /// Tells it that its sockets are served here now, and waits until it has ended.
    ///
    /// # Errors
    /// The operating system's; `TimedOut` when it goes on.
    pub fn replace(mut self) -> io::Result<()> {
        self.0.write_all(SERVING)?;
        match self.0.read(&mut [0; 1]) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        }
    }
}

/// Where the server that runs waits for the one in its place.
pub struct Desk {
    socket: Socket,
    /// Not yet where it is looked for.
    beside: PathBuf,
    file: PathBuf,
}

impl Desk {
    /// Makes the socket, beside where it will be looked for. Only this user may
    /// connect to it, and root.
    ///
    /// # Errors
    /// The operating system's; `AlreadyExists` where there is something that is
    /// no socket.
    pub fn open(file: &Path) -> io::Result<Self> {
        check_place(file)?;
        let mut beside = file.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket.bind(&SockAddr::unix(&beside)?)?;
        let desk = Self {
            socket,
            beside,
            file: file.to_owned(),
        };
        fs::set_permissions(&desk.beside, Permissions::from_mode(0o600))?;
        desk.socket.listen(1)?;
        Ok(desk)
    }

    /// Moves it to where it is looked for, in the place of an earlier one.
    ///
    /// # Errors
    /// The operating system's; `AlreadyExists` where there is something that is
    /// no socket.
    pub fn take_its_place(&self) -> io::Result<()> {
        check_place(&self.file)?;
        fs::rename(&self.beside, &self.file)
    }

    /// Waits on a thread of its own for servers that want to take this one's
    /// place, and hands each to `wishes`.
    ///
    /// # Errors
    /// The operating system's, when there is no thread.
    pub fn wait(self, wishes: UnboundedSender<Successor>) -> io::Result<()> {
        let wait = move || {
            loop {
                let successor = self.socket.accept().and_then(|(connection, _)| {
                    check_peer(&connection)?;
                    connection.set_read_timeout(Some(PATIENCE))?;
                    connection.set_write_timeout(Some(PATIENCE))?;
                    Ok(connection)
                });
                let connection = match successor {
                    Ok(connection) => connection,
                    Err(error) => {
                        warn!(%error, "a server that would take this one's place cannot");
                        thread::sleep(Duration::from_millis(100));
                        continue;
                    }
                };
                let (over, is_over) = oneshot::channel();
                if wishes.send(Successor { connection, over }).is_err() {
                    return;
                }
                // One after the other. An error means that it is done with, too.
                let _ = is_over.blocking_recv();
            }
        };
        let thread = thread::Builder::new().name("hand-over".into());
        thread.spawn(wait).map(drop)
    }
}

/// What is no socket is somebody's file, and stays.
fn check_place(file: &Path) -> io::Result<()> {
    match fs::symlink_metadata(file) {
        Ok(found) if !found.file_type().is_socket() => Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "there is something that is no socket, and is left alone",
        )),
        _ => Ok(()),
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Where it was moved away it is not there any more.
        let _ = fs::remove_file(&self.beside);
    }
}

/// A server that would take this one's place.
pub struct Successor {
    connection: Socket,
    /// Dropped when nothing is to be said to it any more.
    over: oneshot::Sender<()>,
}

impl Successor {
    /// Gives it `sockets`, and waits until it serves on them. What is returned is
    /// to be dropped when this server has ended.
    ///
    /// # Errors
    /// The operating system's; `UnexpectedEof` when it goes away instead.
    pub async fn give(self, sockets: Vec<BoundSocket>) -> io::Result<Replaced> {
        let Self { connection, over } = self;
        let give = move || {
            let mut connection = connection;
            for socket in &sockets {
                send(&connection, socket)?;
            }
            connection.write_all(THAT_IS_ALL)?;
            let mut said = [0; SERVING.len()];
            let len = connection.read(&mut said)?;
            match &said[..len] {
                SERVING => Ok::<_, io::Error>(connection),
                _ => Err(ErrorKind::UnexpectedEof.into()),
            }
        };
        // What it waits for is another process: this server serves meanwhile.
        let given = tokio::task::spawn_blocking(give).await;
        let connection = given.map_err(io::Error::other)??;
        Ok(Replaced {
            _connection: connection,
            _over: over,
        })
    }
}

/// What is dropped when this server has ended: the new one waits for that.
pub struct Replaced {
    _connection: Socket,
    _over: oneshot::Sender<()>,
}

fn send(connection: &Socket, socket: &BoundSocket) -> io::Result<()> {
    let line = serde_json::to_vec(&Line {
        role: socket.role,
        address: socket.address,
        interface: socket.interface.clone(),
    })?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [socket.socket.as_fd()];
    let has_room = control.push(SendAncillaryMessage::ScmRights(&descriptors));
    assert!(has_room, "the space is for one descriptor");
    sendmsg(
        connection,
        &[IoSlice::new(&line)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Sockets are given to, and taken from, nobody but this user and root.
fn check_peer(connection: &Socket) -> io::Result<()> {
    let peer = socket_peercred(connection)?.uid;
    if peer.is_root() || peer == geteuid() {
        Ok(())
    } else {
        Err(io::Error::new(
            ErrorKind::PermissionDenied,
            format!("a process of another user ({})", peer.as_raw()),
        ))
    }
}

/// Whether there is nobody to connect to.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused
    )
}
