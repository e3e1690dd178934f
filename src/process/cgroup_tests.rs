use super::*;

/// `/proc/self/cgroup`, `/proc/self/mountinfo`, and where the memory files are to be looked for.
type Sample = (&'static str, &'static str, &'static str, &'static [(Version, &'static str)]);

const SAMPLES: &[Sample] = &[
    (
        "Docker with v1: the mount shows our own cgroup at its top",
        "12:pids:/docker/0f3a\n11:cpu,cpuacct:/docker/0f3a\n9:memory:/docker/0f3a\n\
         1:name=systemd:/docker/0f3a\n0::/system.slice/containerd.service\n",
        "1190 1189 0:52 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755,inode64\n\
         1191 1190 0:29 /docker/0f3a /sys/fs/cgroup/systemd ro,nosuid,nodev,noexec,relatime master:11 - cgroup cgroup rw,xattr,name=systemd\n\
         1194 1190 0:36 /docker/0f3a /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:18 - cgroup cgroup rw,memory\n\
         1195 1190 0:37 /docker/0f3a /sys/fs/cgroup/cpu,cpuacct ro,nosuid,nodev,noexec,relatime master:19 - cgroup cgroup rw,cpu,cpuacct\n",
        &[(Version::V1, "/sys/fs/cgroup/memory")],
    ),
    (
        "Kubernetes with v1, the pod's folder below the mount",
        "6:hugetlb:/kubepods/burstable/pod1b/7c\n5:cpuset,memory:/kubepods/burstable/pod1b/7c\n",
        "901 900 0:31 /kubepods/burstable/pod1b /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,cpuset,memory\n",
        &[(Version::V1, "/sys/fs/cgroup/memory/7c")],
    ),
    (
        "Docker with v2 and a cgroup namespace of its own",
        "0::/\n",
        "662 659 0:30 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n",
        &[(Version::V2, "/sys/fs/cgroup")],
    ),
    (
        "Docker with v2 and the machine's cgroup namespace",
        "0::/system.slice/docker-0f3a.scope\n",
        "662 659 0:30 /system.slice/docker-0f3a.scope /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n",
        &[(Version::V2, "/sys/fs/cgroup")],
    ),
    (
        "Kubernetes with v2: private namespace, further mounts beside it",
        "0::/\n",
        "2100 2099 0:190 / / rw,relatime master:400 - overlay overlay rw,lowerdir=/a:/b,upperdir=/c\n\
         2102 2100 0:193 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n\
         2109 2108 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,seclabel,nsdelegate\n\
         2110 2100 259:1 /var/lib/kubelet/pods/1b/etc-hosts /etc/hosts rw,noatime - xfs /dev/nvme0n1p1 rw,attr2\n",
        &[(Version::V2, "/sys/fs/cgroup")],
    ),
    (
        "systemd hybrid: memory is v1, v2 only tracks",
        "7:memory:/user.slice/user-1000.slice/session-3.scope\n1:name=systemd:/user.slice/x\n0::/user.slice/x\n",
        "25 23 0:22 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755\n\
         26 25 0:23 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:10 - cgroup2 cgroup rw,nsdelegate\n\
         35 25 0:32 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:18 - cgroup cgroup rw,memory\n",
        &[
            (Version::V1, "/sys/fs/cgroup/memory/user.slice/user-1000.slice/session-3.scope"),
            (Version::V2, "/sys/fs/cgroup/unified/user.slice/x"),
        ],
    ),
    (
        "v1 with a cgroup namespace",
        "4:memory:/\n0::/\n",
        "35 25 0:32 / /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n",
        &[(Version::V1, "/sys/fs/cgroup/memory")],
    ),
    (
        "the mount was made outside our cgroup namespace: its root cannot be named from here",
        "0::/\n",
        "35 25 0:32 /../../.. /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
        &[],
    ),
    (
        "we were moved out of our cgroup namespace",
        "0::/../neighbour\n",
        "35 25 0:32 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n36 25 0:32 /.. /all rw - cgroup2 cgroup rw\n\
         37 25 0:32 /../.. /more rw - cgroup2 cgroup rw\n",
        &[(Version::V2, "/all/neighbour")],
    ),
    (
        "both lead further out",
        "0::/../../neighbour\n",
        "36 25 0:32 /.. /all rw - cgroup2 cgroup rw\n",
        &[],
    ),
    (
        "another cgroup's mount, though its name begins as ours",
        "4:memory:/docker/0f3a\n",
        "35 25 0:32 /docker/0f /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        &[],
    ),
    (
        "colons and blanks in names, the later of two mounts first",
        "0::/a:b/c d\n",
        "35 25 0:32 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n36 25 0:32 /a:b /my\\040cgroup rw shared:1 master:2 - cgroup2 none rw\n",
        &[(Version::V2, "/my cgroup/c d"), (Version::V2, "/sys/fs/cgroup/a:b/c d")],
    ),
    (
        "cgroups, but none mounted for us",
        "4:memory:/x\n0::/x\n",
        "24 1 0:5 / /proc rw - proc proc rw\n25 1 0:6 / /sys ro - sysfs sysfs ro\n",
        &[],
    ),
    (
        "v1 without the memory controller",
        "1:cpu,memory_like:/x\n",
        "35 25 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,memory_like\n",
        &[],
    ),
    ("no cgroups at all", "", "", &[]),
    ("nonsense", "4:memory\n::\n\n", "- cgroup2\n35 25 - cgroup\n a b c d e - cgroup\n", &[]),
];

#[test]
fn the_folder_is_found_as_runtimes_mount_it() {
    for (what, cgroup, mountinfo, expected) in SAMPLES {
        let expected: Vec<Folder> = expected
            .iter()
            .map(|(version, path)| Folder { version: *version, path: path.into() })
            .collect();
        assert_eq!(folders(cgroup, mountinfo), expected, "{what}");
    }
}

#[test]
fn kills_are_read_from_the_files_of_both_versions() {
    let samples = [
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", Some(3)),
        ("low 0\nhigh 0\nmax 812\noom 2\noom_kill 1\noom_group_kill 4\n", Some(1)),
        // Before kernel 4.13.
        ("oom_kill_disable 0\nunder_oom 0\n", None),
        ("oom_kill many\n", None),
        ("", None),
    ];
    for (text, expected) in samples {
        assert_eq!(kills(text), expected, "{text:?}");
    }
}

#[test]
fn a_huge_limit_is_none() {
    let samples = [
        ("536870912\n", Some(536_870_912)),
        ("max\n", None),
        ("9223372036854771712\n", None),
        ("9223372036854710272\n", None),
        ("18446744073709551615\n", None),
        ("", None),
    ];
    for (text, expected) in samples {
        assert_eq!(limit(text), expected, "{text:?}");
    }
}

#[test]
fn only_kills_since_the_last_question_are_new() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("memory.events");
    let count = |kills: u64| fs::write(&events, format!("oom 9\noom_kill {kills}\n")).unwrap();
    count(5);
    let path = folder.path().to_owned();
    let kills = OomKills::at(Some(Folder { version: Version::V2, path }));
    assert_eq!(kills.new_ones(), Some(0), "those before us are not ours");
    count(7);
    assert_eq!(kills.new_ones(), Some(2));
    assert_eq!(kills.new_ones(), Some(0));
    count(1);
    assert_eq!(kills.new_ones(), Some(0), "a count that falls is no kill");
    fs::remove_file(&events).unwrap();
    assert_eq!(kills.new_ones(), None);
    fs::write(folder.path().join("memory.max"), "4096\n").unwrap();
    assert_eq!(kills.memory_limit(), Some(4096));
}

#[test]
fn without_a_cgroup_nothing_is_known() {
    let kills = OomKills::default();
    assert_eq!((kills.new_ones(), kills.memory_limit()), (None, None));
    let _ = OomKills::find().new_ones();
}
