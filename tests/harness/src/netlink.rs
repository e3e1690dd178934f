//! The few messages of rtnetlink(7) that make and change interfaces.

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto,
        socket,
    },
};
use std::{io, net::Ipv4Addr, os::fd::AsRawFd};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const NLM_F_CREATE_NEW: u16 = 0x400 | 0x200;
const IFF_UP: u32 = 1;

/// Attributes of an interface (`IFLA_*`), of its kind (`IFLA_INFO_*`, `VETH_INFO_*`) and of an address (`IFA_*`).
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// An interface, by its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) index: i32,
    pub(crate) is_up: Option<bool>,
    pub(crate) is_new: bool,
}

impl Link {
    /// An `ifinfomsg` and what belongs to it.
    pub(crate) fn with(self, attributes: &Attributes) -> Vec<u8> {
        let mut message = vec![0; 4]; // family and type: unspecified
        message.extend(self.index.to_ne_bytes());
        message.extend(if self.is_up == Some(true) { IFF_UP } else { 0 }.to_ne_bytes());
        message.extend(self.is_up.map_or(0, |_| IFF_UP).to_ne_bytes());
        message.extend(&attributes.0);
        message
    }
}

/// A list of attributes: length, kind, value, each filled up to four bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes(Vec<u8>);

impl Attributes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn name(self, name: &str) -> Self {
        self.add(IFLA_IFNAME, &[name.as_bytes(), b"\0"].concat())
    }

    /// Its hardware address.
    pub(crate) fn hardware(self, address: [u8; 6]) -> Self {
        self.add(IFLA_ADDRESS, &address)
    }

    /// The bridge that it is a port of.
    pub(crate) fn master(self, index: i32) -> Self {
        self.add(IFLA_MASTER, &index.to_ne_bytes())
    }

    /// The network namespace that it is made in.
    pub(crate) fn namespace(self, file: i32) -> Self {
        self.add(IFLA_NET_NS_FD, &file.to_ne_bytes())
    }

    /// The driver, and what it has to know.
    pub(crate) fn kind(self, kind: &str, data: Option<&Self>) -> Self {
        let mut info = Self::new().add(IFLA_INFO_KIND, kind.as_bytes());
        if let Some(data) = data {
            info = info.add(IFLA_INFO_DATA, &data.0);
        }
        self.add(IFLA_LINKINFO, &info.0)
    }

    /// The other end of a veth pair: an [`Link::with`].
    pub(crate) fn peer(self, link: &[u8]) -> Self {
        self.add(VETH_INFO_PEER, link)
    }

    fn add(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).expect("an attribute is short");
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
}

/// Makes or changes an interface of this thread's network namespace.
pub(crate) fn change_link(link: Link, attributes: &Attributes) -> io::Result<()> {
    let flags = if link.is_new { NLM_F_CREATE_NEW } else { 0 };
    ask(RTM_NEWLINK, flags, &link.with(attributes))
}

/// Takes an interface away, if there is one of that number; of a veth pair both ends go.
pub(crate) fn delete_link(index: i32) -> io::Result<()> {
    let link = Link { index, is_up: None, is_new: false };
    match ask(RTM_DELLINK, 0, &link.with(&Attributes::new())) {
        Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => Ok(()),
        result => result,
    }
}

pub(crate) fn add_address(index: i32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    const AF_INET: u8 = 2;
    let mut message = vec![AF_INET, prefix, 0, 0];
    message.extend(index.to_ne_bytes());
    let octets = address.octets();
    message.extend(Attributes::new().add(IFA_LOCAL, &octets).add(IFA_ADDRESS, &octets).0);
    ask(RTM_NEWADDR, NLM_F_CREATE_NEW, &message)
}

/// Sends one message and waits for the kernel's word on it.
fn ask(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let length = u32::try_from(16 + body.len()).expect("a message is short");
    let mut message = Vec::new();
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((NLM_F_REQUEST_ACK | flags).to_ne_bytes());
    message.extend([0; 8]); // sequence number and port: the kernel does not care
    message.extend(body);
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;

    let mut answer = [0; 1024];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // The acknowledgement is an error message whose number is zero.
    let number =
        answer.get(16..20).filter(|_| length >= 20).and_then(|bytes| bytes.try_into().ok());
    match number.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::Error::other("the kernel's answer is too short")),
    }
}
