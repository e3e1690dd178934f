//! Networks of the tests' own: a container's loopback, and a switch between several containers.
//!
//! Done by rtnetlink(7) without `ip`, which need not be installed. The switch is a bridge in a network namespace of its
//! own; a container's `eth0` is one end of a veth pair whose other end is a port of that bridge.

use crate::{
    builder::ContainerBuilder,
    keeper::Keeper,
    netlink::{Attributes, Link, add_address, change_link, delete_link},
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

/// What a cluster's DNS puts behind the name of a headless service.
const DOMAIN: &str = "default.svc.cluster.local";

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
    /// Headless services, and the pods behind each.
    services: Vec<(String, Vec<String>)>,
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
        Self::with_services(names, &[])
    }

    /// The same with headless services that publish pods whether they are ready or not: `jjobs`, of `jjobs-0` and `jjobs-1`, makes
    /// `jjobs.default.svc.cluster.local` the name of both addresses and `jjobs-0.jjobs.default.svc.cluster.local` of one;
    /// `jjobs` and `jjobs-0.jjobs` are short for them.
    pub fn with_services(names: &[&str], services: &[(&str, &[&str])]) -> Option<Self> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let services =
            services.iter().map(|(service, pods)| ((*service).to_owned(), owned(pods))).collect();
        crate::builder::unless_forbidden(Self::build(owned(names), services))
    }

    fn build(names: Vec<String>, services: Vec<(String, Vec<String>)>) -> io::Result<Self> {
        let keeper = Keeper::start(None)?;
        keeper.run(|_| {
            let bridge = Link { index: BRIDGE, is_up: Some(true), is_new: true };
            change_link(bridge, &Attributes::new().name("br0").kind("bridge", None))
        })?;
        Ok(Self(Arc::new(Switch { keeper, names, services })))
    }

    /// The container named so gets its address here, and `/etc/hosts` lines for all names of the network. When it is gone, another
    /// one can join under the same name.
    ///
    /// # Panics
    /// The network does not know that name.
    pub fn join(&self, builder: ContainerBuilder, name: &str) -> ContainerBuilder {
        self.number(name);
        let mut builder = builder.hostname(name);
        for name in &self.0.names {
            builder = builder.host(name, &self.address(name).to_string());
        }
        for (service, pods) in &self.0.services {
            for pod in pods {
                let address = self.address(pod).to_string();
                for name in [service.clone(), format!("{pod}.{service}")] {
                    builder = builder.host(&format!("{name}.{DOMAIN} {name}"), &address);
                }
            }
        }
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
        let number = self.network.number(&self.name);
        self.network.0.keeper.run(move |_| {
            // The kernel takes its time to clean up behind a container that is gone.
            delete_link(index)?;
            // Always the same, so that nobody remembers a wrong one when another container takes the place of a first.
            let far_end = Attributes::new()
                .name("eth0")
                .hardware([0x02, 0, 10, 77, 0, number])
                .namespace(namespace.as_raw_fd());
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
