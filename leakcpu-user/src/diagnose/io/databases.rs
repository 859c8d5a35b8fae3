//! Data bases, by the libraries that ask them.

use std::collections::BTreeSet;

use crate::classify::service_name;

/// By which library a data base is asked, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    LazySqlalchemy,
    LazyDjango,
    Sqlalchemy,
    Django,
    Redis,
    Memcached,
    Mongo,
    Sql,
}

/// What the files of each contain, most telling first.
pub(super) const LIBRARIES: [(&str, By); 19] = [
    ("/sqlalchemy/orm/strategies.py", By::LazySqlalchemy),
    (
        "/django/db/models/fields/related_descriptors.py",
        By::LazyDjango,
    ),
    ("/sqlalchemy/", By::Sqlalchemy),
    ("/django/db/", By::Django),
    ("/redis/", By::Redis),
    ("/pymemcache/", By::Memcached),
    ("/pymongo/", By::Mongo),
    ("/psycopg/", By::Sql),
    ("/psycopg2/", By::Sql),
    ("/psycopg_pool/", By::Sql),
    ("/asyncpg/", By::Sql),
    ("/pg8000/", By::Sql),
    ("/pymysql/", By::Sql),
    ("/MySQLdb/", By::Sql),
    ("/mysql/connector/", By::Sql),
    ("/pymssql/", By::Sql),
    ("/oracledb/", By::Sql),
    ("/peewee.py", By::Sql),
    ("/pony/orm/", By::Sql),
];

impl By {
    /// By the files below one's own code.
    pub(super) fn library(below: &BTreeSet<&str>) -> Option<Self> {
        let mut libraries = LIBRARIES.iter();
        let found = libraries.find(|(mark, _)| below.iter().any(|file| file.contains(mark)));
        found.map(|(_, by)| *by)
    }

    /// By the port of the other end.
    pub(super) fn service(peer: &str) -> Option<Self> {
        Some(match service_name(peer)? {
            "postgresql" | "mysql" | "sql server" | "oracle" => Self::Sql,
            "redis" => Self::Redis,
            "memcached" => Self::Memcached,
            "mongodb" => Self::Mongo,
            _ => return None,
        })
    }

    /// What to do instead of asking one by one.
    pub(super) const fn fix(self) -> &'static str {
        match self {
            Self::LazySqlalchemy => {
                "load the attribute with the objects: select(...).options(selectinload(Parent.children)), or joinedload for a single one"
            }
            Self::LazyDjango => {
                "load the related objects with the query: .select_related(...) for a foreign key, .prefetch_related(...) for many"
            }
            Self::Sqlalchemy => {
                "ask once for all: select(Thing).where(Thing.id.in_(ids)); session.execute(insert(Thing), rows) to write"
            }
            Self::Django => {
                "ask once for all: .filter(id__in=ids) or in_bulk(ids); bulk_create and bulk_update to write"
            }
            Self::Redis => {
                "send them together: client.mget(keys), or a pipeline for other commands"
            }
            Self::Memcached => "ask once for all: client.get_many(keys)",
            Self::Mongo => "ask once for all: find({\"_id\": {\"$in\": ids}}); bulk_write to write",
            Self::Sql => {
                "ask once for all: WHERE id = ANY(%s) or IN (...) with the list; executemany to write"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BTreeSet, By};

    #[test]
    fn the_idiom_is_that_of_the_outermost_library() {
        let lib = |file: &str| format!("/venv/lib/python3.12/site-packages/{file}");
        let by = |files: &[&str]| {
            let files: Vec<String> = files.iter().map(|file| lib(file)).collect();
            By::library(&files.iter().map(String::as_str).collect::<BTreeSet<_>>())
        };
        let engine = "sqlalchemy/engine/base.py";
        let driver = "psycopg/cursor.py";
        let lazy = "sqlalchemy/orm/strategies.py";
        assert_eq!(by(&[driver, engine, lazy]), Some(By::LazySqlalchemy));
        assert_eq!(by(&[driver, engine]), Some(By::Sqlalchemy));
        assert_eq!(by(&[driver]), Some(By::Sql));
        assert_eq!(by(&["requests/sessions.py"]), None);
        assert_eq!(By::service("10.0.0.5:6379"), Some(By::Redis));
        assert_eq!(By::service("10.0.0.5:443"), None);
    }
}
