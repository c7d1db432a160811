use super::*;

fn connections() -> Connections {
    let endpoint = Url::parse("https://model.test/v1").unwrap();
    Connections::new(ConnectionsConfig::default(), &endpoint, HeaderMap::new()).unwrap()
}

fn in_flight(connections: &Connections) -> Vec<usize> {
    lock(&connections.http2).all.iter().map(|used| used.in_flight).collect()
}

#[tokio::test(start_paused = true)]
async fn idle_clients_fall_away() {
    let connections = connections();
    let mut places = Vec::new();
    for _ in 0..200 {
        places.push(connections.place(connections.room().await, None).unwrap());
    }
    assert_eq!(in_flight(&connections), [90, 90, 20]);
    places.drain(..110);
    assert_eq!(in_flight(&connections), [0, 70, 20]);
    places.push(connections.place(connections.room().await, None).unwrap());
    assert_eq!(in_flight(&connections), [1, 70, 20], "the first with room");
    places.drain(..90);
    tokio::time::advance(IDLE_TIMEOUT).await;
    places.push(connections.place(connections.room().await, None).unwrap());
    assert_eq!(in_flight(&connections), [2]);
    drop(places);
    assert_eq!(connections.room.available_permits(), 90 * 150);
}

#[tokio::test]
async fn a_refused_request_goes_elsewhere() {
    let connections = connections();
    let refused = connections.place(connections.room().await, None).unwrap().counted.unwrap();
    let client = refused.client;
    let again = connections.place(refused.leave(), Some(client)).unwrap();
    assert_ne!(again.counted.unwrap().client, client);
    assert_eq!(in_flight(&connections), [0, 0]);
}

#[tokio::test]
async fn plain_http_needs_no_room() {
    let endpoint = Url::parse("http://127.0.0.1:1/v1").unwrap();
    let connections = Connections::new(ConnectionsConfig::default(), &endpoint, HeaderMap::new()).unwrap();
    assert!(connections.room().await.0.is_none());
    assert!(connections.place(Room(None), None).unwrap().counted.is_none());
}
