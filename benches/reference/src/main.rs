//! The usual design of a CSV pipeline: an asynchronous reader, one record after the other, and a prepared INSERT for each, in one
//! transaction. It fills the table of `data/people.sql`.
//!
//! Usage: `reference INPUT.csv DATABASE [off|full]`, where the last is `PRAGMA synchronous`.

use csv_async::AsyncReaderBuilder;
use futures::TryStreamExt;
use serde::Deserialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::error::Error;
use uuid::Uuid;

#[derive(Deserialize)]
struct Person {
    first_name: String,
    last_name: String,
    age: i64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (input, database, synchronous) = match &arguments[..] {
        [input, database] => (input, database, SqliteSynchronous::Off),
        [input, database, when] => (input, database, when.parse()?),
        _ => return Err("usage: reference INPUT.csv DATABASE [off|full]".into()),
    };
    let options =
        SqliteConnectOptions::new().filename(database).create_if_missing(true).synchronous(synchronous);
    let mut connection = options.connect().await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("DROP TABLE IF EXISTS people").execute(&mut *transaction).await?;
    sqlx::query(
        "CREATE TABLE people (id BLOB PRIMARY KEY, first_name TEXT, last_name TEXT, age INTEGER, email TEXT)",
    )
    .execute(&mut *transaction)
    .await?;

    let file = tokio::fs::File::open(input).await?;
    let mut people = AsyncReaderBuilder::new().create_deserializer(file).into_deserialize::<Person>();
    while let Some(person) = people.try_next().await? {
        let Person { first_name, last_name, age } = person;
        let email = format!("{first_name}.{last_name}_{age}@somemail.com");
        sqlx::query("INSERT INTO people (id, first_name, last_name, age, email) VALUES (?, ?, ?, ?, ?)")
            .bind(Uuid::now_v7().into_bytes().to_vec())
            .bind(first_name)
            .bind(last_name.to_uppercase())
            .bind(age)
            .bind(email)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}
