//! Real servers for remote caches, on the loopback interface.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::launchers::find;
use crate::support::rocm::{ran, scratch};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's Redis.
    Redis,
    /// nginx with WebDAV.
    WebDav,
    /// nginx, used in bazel's layout.
    Bazel,
    /// rclone's S3.
    S3,
}

/// The access key and the secret that the S3 server accepts.
const S3_KEY: [&str; 2] = ["AKIAROCKWRAP", "a-secret-of-the-tests"];

/// A running server, empty at first. It is killed when dropped.
pub struct Server {
    kind: Kind,
    dir: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    /// Starts a server. Records a skip and returns `None` if its program is not installed.
    pub fn start(kind: Kind) -> Option<Self> {
        let dir = scratch();
        let at = |name: &str| dir.path().join(name);
        // Another process may take the port before the server does. The server then exits at once, and another port
        // is tried.
        (0..5)
            .find_map(|_| {
                let port = TcpListener::bind("127.0.0.1:0")
                    .unwrap()
                    .local_addr()
                    .unwrap()
                    .port();
                let mut command = match kind {
                    Kind::Redis => {
                        let mut redis =
                            Command::new(find("redis-server", "/usr/bin/redis-server")?);
                        redis.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
                        redis
                            .args(["--port", &port.to_string(), "--dir"])
                            .arg(dir.path());
                        redis
                    }
                    Kind::WebDav | Kind::Bazel => {
                        let module = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";
                        find("nginx's WebDAV module", module)?;
                        let mut nginx = Command::new(find("nginx", "/usr/sbin/nginx")?);
                        std::fs::create_dir_all(at("files")).unwrap();
                        std::fs::write(at("nginx.conf"), nginx_conf(dir.path(), port, module))
                            .unwrap();
                        nginx
                            .arg("-c")
                            .arg(at("nginx.conf"))
                            .arg("-p")
                            .arg(dir.path());
                        nginx
                    }
                    Kind::S3 => {
                        let mut rclone = Command::new(find("rclone", "rclone-1.75.2/rclone")?);
                        std::fs::create_dir_all(at("files/bucket")).unwrap();
                        rclone.args(["serve", "s3", "--addr", &format!("127.0.0.1:{port}")]);
                        rclone.args(["--auth-key", &S3_KEY.join(","), "--vfs-cache-mode", "off"]);
                        rclone.arg(at("files")).env("RCLONE_CONFIG", "/dev/null");
                        rclone
                    }
                };
                let log = File::create(at("log")).unwrap();
                command
                    .stdin(Stdio::null())
                    .stdout(log.try_clone().unwrap())
                    .stderr(log);
                let mut process = command.spawn().unwrap();
                let start = Instant::now();
                while TcpStream::connect(("127.0.0.1", port)).is_err() {
                    assert!(
                        start.elapsed() < Duration::from_secs(30),
                        "{kind:?} does not listen"
                    );
                    if process.try_wait().unwrap().is_some() {
                        return None;
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                Some((port, process))
            })
            .map(|(port, process)| Self {
                kind,
                port,
                process,
                dir,
            })
    }

    /// The URL for `rock-wrap env`.
    pub fn url(&self) -> String {
        let port = self.port;
        match self.kind {
            Kind::Redis => format!("redis://127.0.0.1:{port}"),
            Kind::WebDav => format!("webdav://127.0.0.1:{port}"),
            Kind::Bazel => format!("http://127.0.0.1:{port}/cache?layout=bazel"),
            Kind::S3 => format!("s3://bucket?region=us-east-1&endpoint=127.0.0.1:{port}&ssl=false"),
        }
    }

    /// The variables with which a job gets access.
    pub fn credentials(&self) -> &'static [(&'static str, &'static str)] {
        match self.kind {
            Kind::S3 => &[
                ("AWS_ACCESS_KEY_ID", S3_KEY[0]),
                ("AWS_SECRET_ACCESS_KEY", S3_KEY[1]),
            ],
            _ => &[],
        }
    }

    /// How many results were written, as the server counts them.
    pub fn writes(&self) -> usize {
        match self.kind {
            Kind::Redis => {
                let mut cli = Command::new("redis-cli");
                cli.args(["-p", &self.port.to_string(), "info", "commandstats"]);
                let said = ran(&mut cli).ok().out;
                let calls = |line: &str| {
                    let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
                    let writes = ["set", "setex", "mset", "append"].contains(&name);
                    let number = rest.split(',').next()?;
                    writes.then(|| number.parse::<usize>().unwrap())
                };
                said.lines().filter_map(calls).sum()
            }
            Kind::WebDav | Kind::Bazel => {
                let log =
                    std::fs::read_to_string(self.dir.path().join("access")).unwrap_or_default();
                log.lines().filter(|line| line.starts_with("PUT ")).count()
            }
            Kind::S3 => files(&self.dir.path().join("files")),
        }
    }

    /// A shell command that kills the server, for use in a build.
    pub fn stop_command(&self) -> String {
        format!("kill -9 {}", self.process.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn files(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path: PathBuf| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

fn nginx_conf(dir: &Path, port: u16, module: &str) -> String {
    let dir = dir.display();
    format!(
        "load_module {module};\ndaemon off;\nmaster_process off;\npid {dir}/pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\nlog_format short '$request_method $uri $status';\naccess_log {dir}/access short;\n\
         client_body_temp_path {dir}/body;\nproxy_temp_path {dir}/proxy;\nfastcgi_temp_path {dir}/fastcgi;\n\
         uwsgi_temp_path {dir}/uwsgi;\nscgi_temp_path {dir}/scgi;\n\
         server {{\nlisten 127.0.0.1:{port};\nclient_max_body_size 0;\nroot {dir}/files;\n\
         dav_methods PUT DELETE MKCOL;\ndav_ext_methods PROPFIND OPTIONS;\ncreate_full_put_path on;\n}}\n}}\n"
    )
}
