use hongyan_store::sqlite::{SqliteConfig, SqliteStore};

use super::*;

struct World {
    store: Arc<dyn Store>,
    clock: Clock,
    keys: Keys,
    ids: IdMaker,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(directory.path().join("hongyan.db"));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(config).unwrap());
        let clock = Clock::system();
        let keys = Keys::new(Arc::clone(&store), clock.clone(), Revocations::default());
        Self { store, clock, keys, ids: IdMaker::new(), _directory: directory }
    }

    async fn key(&self, scopes: &[Scope]) -> (KeyRecord, String) {
        let (record, secret) =
            create_key(&*self.store, &self.ids, &self.clock, NewKey::new("test", scopes)).await.unwrap();
        (record, secret.expose_secret().to_owned())
    }

    async fn status(&self, authorization: &str, needed: Scope) -> u16 {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        self.keys
            .authorize(&headers, needed)
            .await
            .map_or_else(|refused| refused.problem.status.as_u16(), |_| 200)
    }
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_name() {
    let world = World::new();
    let (record, key) = world.key(&[Scope::Messages, Scope::Permits]).await;
    assert!(key.starts_with(KEY_PREFIX));
    assert_ne!(record.hash.as_slice(), key.as_bytes());
    assert_eq!(world.status(&format!("Bearer {key}"), Scope::Messages).await, 200);
    assert_eq!(world.status(&format!("bearer  {key}"), Scope::Permits).await, 200);
    assert_eq!(world.status(&format!("Bearer {key}"), Scope::Apps).await, 403);
    let (_, all) = world.key(&[Scope::All]).await;
    assert_eq!(world.status(&format!("Bearer {all}"), Scope::Apps).await, 200);
}

#[tokio::test]
async fn without_a_good_key_nobody_comes_in() {
    let world = World::new();
    let (_, key) = world.key(&[Scope::All]).await;
    for authorization in
        [&key, "Bearer", "Bearer ", "Basic abc", "Bearer hyk_guess", &format!("Bearer {key}x")]
    {
        assert_eq!(world.status(authorization, Scope::Messages).await, 401, "{authorization}");
    }
    let refused = world.keys.authorize(&HeaderMap::new(), Scope::Messages).await.unwrap_err();
    assert_eq!((refused.reason, refused.problem.code), (Reason::Missing, "unauthorized"));
}

#[tokio::test]
async fn a_key_revoked_here_is_void_at_once_and_one_revoked_elsewhere_soon() {
    let world = World::new();
    let (first, key) = world.key(&[Scope::All]).await;
    let bearer = format!("Bearer {key}");
    assert_eq!(world.status(&bearer, Scope::Apps).await, 200);
    assert!(world.keys.revoke(first.id).await.unwrap());
    assert_eq!(world.status(&bearer, Scope::Apps).await, 401);
    assert!(!world.keys.revoke(first.id).await.unwrap());

    let (second, key) = world.key(&[Scope::All]).await;
    let bearer = format!("Bearer {key}");
    assert_eq!(world.status(&bearer, Scope::Apps).await, 200);
    world.store.revoke_key(second.id, world.clock.now()).await.unwrap();
    assert_eq!(world.status(&bearer, Scope::Apps).await, 200, "the key is cached for a moment");
    world.clock.advance(10_000);
    assert_eq!(world.status(&bearer, Scope::Apps).await, 401);
}

#[test]
fn scopes_keep_their_names_and_read_back() {
    let names = [
        "messages",
        "permits",
        "apps",
        "webhooks",
        "audit",
        "facade",
        "access_token",
        "keys",
        "people",
        "all",
    ];
    assert_eq!(Scope::ALL.map(Scope::name), names);
    for scope in Scope::ALL {
        assert_eq!(scope.name().parse::<Scope>().unwrap(), scope);
        assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
    }
    assert!("root".parse::<Scope>().is_err());
}
