//! Control groups: which container and which systemd unit a process belongs to.

/// Hex digits of a container id, as Docker, containerd, CRI-O and Podman make them.
const CONTAINER_ID_DIGITS: usize = 64;

/// Content of `/proc/PID/cgroup`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupFacts {
    /// Path in the unified (v2) hierarchy.
    pub unified: Option<String>,
    /// Paths of v1 hierarchies: controllers (`cpu,cpuacct`, `name=systemd`) and path.
    pub v1: Vec<(String, String)>,
}

impl CgroupFacts {
    /// Reads the lines `id:controllers:path` of `/proc/PID/cgroup`.
    pub fn parse(text: &str) -> Self {
        let mut facts = Self::default();
        for line in text.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if controllers.is_empty() {
                facts.unified = Some(path.to_owned());
            } else {
                facts.v1.push((controllers.to_owned(), path.to_owned()));
            }
        }
        facts
    }

    /// Path in the v1 hierarchy that has `controller`.
    pub fn v1_path(&self, controller: &str) -> Option<&str> {
        let has = |list: &str| list.split(',').any(|name| name == controller);
        self.v1
            .iter()
            .find(|(list, _)| has(list))
            .map(|(_, path)| path.as_str())
    }

    /// The path that says most: the unified one; where that is the root, systemd's
    /// own hierarchy, then any v1 path that is not the root.
    pub fn path(&self) -> Option<&str> {
        let unified = self.unified.as_deref();
        unified
            .filter(|path| *path != "/")
            .or_else(|| self.v1_path("name=systemd").filter(|path| *path != "/"))
            .or_else(|| {
                self.v1
                    .iter()
                    .map(|(_, path)| path.as_str())
                    .find(|path| *path != "/")
            })
            .or(unified)
            .or_else(|| self.v1.first().map(|(_, path)| path.as_str()))
    }
}

/// Container id in a cgroup path: `docker-<id>.scope`, `/docker/<id>`,
/// `cri-containerd-<id>.scope`, `crio-<id>`, `libpod-<id>.scope`, `/kubepods/.../<id>`.
pub fn container_id(path: &str) -> Option<&str> {
    path.split('/').rev().find_map(|part| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        let (runtime, id) = part.rsplit_once(['-', ':']).unwrap_or(("", part));
        // `libpod-conmon-<id>` and `crio-conmon-<id>` are the runtime's own monitor.
        let is_id = id.len() == CONTAINER_ID_DIGITS && id.bytes().all(|b| b.is_ascii_hexdigit());
        (is_id && !runtime.ends_with("conmon")).then_some(id)
    })
}

/// Innermost systemd service or scope in a cgroup path.
pub fn systemd_unit(path: &str) -> Option<&str> {
    let is_unit = |part: &&str| {
        [".service", ".scope"].iter().any(|suffix| {
            part.strip_suffix(suffix)
                .is_some_and(|name| !name.is_empty())
        })
    };
    path.rsplit('/').find(is_unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4a9c0d1e2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5";

    #[test]
    fn container_ids_of_every_runtime() {
        for path in [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
            format!("/kubepods/besteffort/pod1/{ID}"),
            format!("/kubepods.slice/crio-{ID}.scope"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
            format!("/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}"),
            format!("/../../docker/{ID}"),
        ] {
            assert_eq!(container_id(&path), Some(ID), "{path}");
        }
    }

    #[test]
    fn what_is_no_container() {
        for path in [
            "/",
            "/user.slice/user-1000.slice/session-3.scope",
            "/process_api/edf22cf64672e175bbcf323fd6334594",
            &format!("/machine.slice/libpod-conmon-{ID}.scope"),
        ] {
            assert_eq!(container_id(path), None, "{path}");
        }
    }

    #[test]
    fn innermost_unit() {
        assert_eq!(
            systemd_unit("/system.slice/api.service"),
            Some("api.service")
        );
        let user = "/user.slice/user-1000.slice/user@1000.service/app.slice/job.scope/sub";
        assert_eq!(systemd_unit(user), Some("job.scope"));
        assert_eq!(systemd_unit("/system.slice"), None);
        assert_eq!(systemd_unit("/.service"), None);
    }

    #[test]
    fn the_path_that_says_most() {
        let hybrid =
            CgroupFacts::parse("5:name=systemd:/\n4:memory:/a:b\n1:cpu,cpuacct:/quota\n0::/\n");
        assert_eq!(hybrid.path(), Some("/a:b"));
        assert_eq!(hybrid.v1_path("cpu"), Some("/quota"));
        assert_eq!(hybrid.v1_path("cpuset"), None);
        assert_eq!(CgroupFacts::parse("0::/x.slice\n").path(), Some("/x.slice"));
        assert_eq!(CgroupFacts::parse("0::/\n").path(), Some("/"));
        assert_eq!(CgroupFacts::parse("nonsense\n").path(), None);
    }
}
