CREATE EXTENSION pg_stat_statements;
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, visits int NOT NULL) WITH (fillfactor = 40);
INSERT INTO customers SELECT i, 'customer ' || i, 0 FROM generate_series(1, 5000) i;
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO products SELECT i, 'product ' || i FROM generate_series(1, 2000) i;
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, created int NOT NULL, amount int NOT NULL,
                     product_id int NOT NULL);
INSERT INTO orders SELECT i, i % 5000 + 1, i, i % 977, (i / 5000) % 2000 + 1 FROM generate_series(1, 1000000) i;
CREATE INDEX IF NOT EXISTS orders_by_customer ON orders (customer_id, created);
VACUUM ANALYZE;
