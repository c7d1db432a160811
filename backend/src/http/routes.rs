//! Routes with their descriptions. Every served address has a description.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodRouter, delete, get, post, put},
};

use storage::control_plane::Permission;

use super::{
    operation::{Key, Operation},
    state::HttpState,
};

/// An operation with its route.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) operation: Operation,
}

/// Routes that need the same permission.
#[derive(Debug)]
pub(super) struct Routes {
    /// None for public routes.
    pub(super) permission: Option<Permission>,
    pub(super) router: Router<HttpState>,
    pub(super) served: Vec<Served>,
}

impl Routes {
    /// Routes that require a key whose role has this permission.
    pub(super) fn requiring(permission: Permission) -> Self {
        Self { permission: Some(permission), router: Router::new(), served: Vec::new() }
    }

    /// Routes without a key, unless an operation sets one.
    pub(super) fn public() -> Self {
        Self { permission: None, router: Router::new(), served: Vec::new() }
    }

    pub(super) fn get<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, HttpState>,
        operation: Operation,
    ) -> Self {
        self.add("get", path, get(handler), operation)
    }

    pub(super) fn post<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, HttpState>,
        operation: Operation,
    ) -> Self {
        self.add("post", path, post(handler), operation)
    }

    pub(super) fn put<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, HttpState>,
        operation: Operation,
    ) -> Self {
        self.add("put", path, put(handler), operation)
    }

    pub(super) fn delete<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, HttpState>,
        operation: Operation,
    ) -> Self {
        self.add("delete", path, delete(handler), operation)
    }

    fn add(
        mut self,
        method: &'static str,
        path: &'static str,
        route: MethodRouter<HttpState>,
        operation: Operation,
    ) -> Self {
        let operation = match self.permission {
            Some(permission) => operation.with_key(Key::Api(permission)),
            None => operation,
        };
        self.served.push(Served { method, path, operation });
        // Methods of one address are joined.
        self.router = self.router.route(path, route);
        self
    }
}
