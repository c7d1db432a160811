//! A TCP proxy that stands for a network, and for what networks do: lose packets, refuse, and cut.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, watch},
    task::{JoinHandle, JoinSet},
};

/// How the network behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Bytes arrive this much later, in each direction.
    Slow(Duration),
    /// Packets are lost: connections stand, new ones are taken, and nothing comes through until it is fair again.
    /// (As TCP does, which sends again, nothing is missing then.)
    Swallowing,
}

/// A proxy in front of one server.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    server: SocketAddr,
    weather: watch::Sender<Weather>,
    connections: Arc<Mutex<JoinSet<()>>>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy on a port of its own.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let weather = watch::channel(Weather::Fair).0;
        let mut proxy = Self { address, server, weather, connections: Arc::default(), listening: None };
        proxy.listen(listener);
        proxy
    }

    /// Starts a proxy before the server of a URL, and returns the URL through it.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let port = url::Url::parse(url).unwrap().port().unwrap();
        let proxy = Self::start(([127, 0, 0, 1], port).into()).await;
        let through = proxy.url(url);
        (proxy, through)
    }

    /// A server's address with this proxy's port in place of its own.
    pub(crate) fn url(&self, url: &str) -> String {
        let server = format!(":{}/", self.server.port());
        assert!(url.contains(&server), "{url} does not lead to the server behind the proxy");
        url.replace(&server, &format!(":{}/", self.address.port()))
    }

    /// Packets are lost from now on.
    pub(crate) fn swallow(&self) {
        self.weather.send_replace(Weather::Swallowing);
    }

    /// Everything takes this much longer, in each direction.
    pub(crate) fn slow(&self, by: Duration) {
        self.weather.send_replace(Weather::Slow(by));
    }

    /// All is well again; what was held back comes through.
    pub(crate) async fn mend(&mut self) {
        self.weather.send_replace(Weather::Fair);
        if self.listening.is_none() {
            let listener = TcpListener::bind(self.address).await.unwrap();
            self.listen(listener);
        }
    }

    /// All connections are cut now; new ones are taken.
    pub(crate) async fn cut(&self) {
        self.connections.lock().await.shutdown().await;
    }

    /// All connections are cut now, and new ones refused.
    pub(crate) async fn refuse(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            // The port is closed when the task is gone.
            let _ = listening.await;
        }
        self.cut().await;
    }

    fn listen(&mut self, listener: TcpListener) {
        let (server, weather) = (self.server, self.weather.subscribe());
        let connections = self.connections.clone();
        self.listening = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let connection = carry(client, server, weather.clone());
                connections.lock().await.spawn(connection);
            }
        }));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

/// Carries one connection's bytes both ways until either side closes.
async fn carry(client: TcpStream, server: SocketAddr, weather: watch::Receiver<Weather>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    for side in [&client, &server] {
        side.set_nodelay(true).unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = one_way(from_client, to_server, weather.clone()) => {}
        () = one_way(from_server, to_client, weather) => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: watch::Receiver<Weather>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let now = *weather.borrow_and_update();
        if let Weather::Slow(by) = now {
            // The delay is the weather that the test asked for.
            tokio::time::sleep(by).await;
        }
        if weather.wait_for(|weather| *weather != Weather::Swallowing).await.is_err()
            || to.write_all(&buffer[..length]).await.is_err()
        {
            return;
        }
    }
    // A close is a packet too.
    let _ = weather.wait_for(|weather| *weather != Weather::Swallowing).await;
}

/// A proxy of the system (RFC 9110, 9.3.6): for one name it leads to one address, and nobody else is asked for. Returns its URL.
pub(crate) async fn connect_proxy(name: &'static str, address: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let asked = format!("CONNECT {name} ");
            assert!(head.starts_with(asked.as_bytes()), "{}", String::from_utf8_lossy(&head));
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(&address).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    proxy
}
