//! Networks of the tests' own: a container's loopback, and a switch between several containers.
//!
//! Done by rtnetlink(7) without `ip`, which need not be installed. The switch is a bridge in a network namespace of its
//! own; a container's `eth0` is one end of a veth pair whose other end is a port of that bridge.

use crate::{
    builder::ContainerBuilder,
    keeper::Keeper,
    netlink::{Attributes, Link, add_address, change_link},
};
use std::{
    fs::File,
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, OwnedFd},
    sync::Arc,
};

/// Loopback is the first interface of every network namespace.
const LOOPBACK: i32 = 1;

/// Chosen, so that nobody has to ask which number the kernel gave; beyond those of any tunnel that it makes by itself.
const BRIDGE: i32 = 100;

const PREFIX: u8 = 24;

pub(crate) fn bring_loopback_up() -> io::Result<()> {
    change_link(Link { index: LOOPBACK, is_up: Some(true), is_new: false }, &Attributes::new())
}

/// A network of containers that know each other by name; it lives as long as anybody who holds it.
#[derive(Clone)]
pub struct Network(Arc<Switch>);

struct Switch {
    keeper: Keeper,
    /// The first has the address 10.77.0.1, and so on.
    names: Vec<String>,
}

/// A place in a network.
#[derive(Clone)]
pub(crate) struct Plug {
    network: Network,
    name: String,
}

impl Network {
    /// A network for containers of these host names. `None` where this machine allows no namespaces.
    ///
    /// # Panics
    /// As [`ContainerBuilder::prepare`] does.
    pub fn new(names: &[&str]) -> Option<Self> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        crate::builder::unless_forbidden(Self::build(names))
    }

    fn build(names: Vec<String>) -> io::Result<Self> {
        let keeper = Keeper::start(None)?;
        keeper.run(|_| {
            let bridge = Link { index: BRIDGE, is_up: Some(true), is_new: true };
            change_link(bridge, &Attributes::new().name("br0").kind("bridge", None))
        })?;
        Ok(Self(Arc::new(Switch { keeper, names })))
    }

    /// The container named so gets its address here, and `/etc/hosts` lines for all names of the network.
    ///
    /// # Panics
    /// The network does not know that name.
    pub fn join(&self, builder: ContainerBuilder, name: &str) -> ContainerBuilder {
        self.number(name);
        let builder = self.0.names.iter().fold(builder.hostname(name), |builder, name| {
            builder.host(name, &self.address(name).to_string())
        });
        builder.plugged_in(Plug { network: self.clone(), name: name.to_owned() })
    }

    /// The address of the container of that name, whether there is one yet or not.
    ///
    /// # Panics
    /// The network does not know that name.
    pub fn address(&self, name: &str) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, self.number(name))
    }

    /// Takes the container's cable out: packets vanish, connections stay open and say nothing, new ones get no answer
    /// and fail after some seconds.
    pub fn cut(&self, name: &str) {
        self.set_port(name, false);
    }

    /// Plugs the cable in again.
    pub fn restore(&self, name: &str) {
        self.set_port(name, true);
    }

    fn set_port(&self, name: &str, is_up: bool) {
        let port = Link { index: self.port(name), is_up: Some(is_up), is_new: false };
        self.0.keeper.run(move |_| change_link(port, &Attributes::new())).expect("a cable");
    }

    fn number(&self, name: &str) -> u8 {
        let position = self.0.names.iter().position(|known| known == name);
        let number = position.and_then(|position| u8::try_from(position + 1).ok());
        number.unwrap_or_else(|| panic!("the network does not know the name {name}"))
    }

    /// The interface of both ends of its cable: in the switch and in the container.
    fn port(&self, name: &str) -> i32 {
        BRIDGE + i32::from(self.number(name))
    }
}

impl Plug {
    /// Lays a cable from the switch into the network namespace `container`, whose keeper gives `eth0` its address.
    pub(crate) fn connect(&self, container: &Keeper) -> io::Result<()> {
        let namespace: OwnedFd =
            File::open(format!("/proc/{}/task/{}/ns/net", std::process::id(), container.tid))?
                .into();
        let index = self.network.port(&self.name);
        self.network.0.keeper.run(move |_| {
            let far_end = Attributes::new().name("eth0").namespace(namespace.as_raw_fd());
            let far_end = Link { index, is_up: None, is_new: true }.with(&far_end);
            let cable = Attributes::new()
                .name(&format!("port{index}"))
                .master(BRIDGE)
                .kind("veth", Some(&Attributes::new().peer(&far_end)));
            change_link(Link { index, is_up: Some(true), is_new: true }, &cable)
        })?;
        let address = self.network.address(&self.name);
        container.run(move |_| {
            add_address(index, address, PREFIX)?;
            change_link(Link { index, is_up: Some(true), is_new: false }, &Attributes::new())
        })
    }
}
