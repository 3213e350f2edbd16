\set city random(1, 5)
\set low random(0, 800)
\set which random(1, 4)
\if :which = 1
SELECT c.city, count(*), sum(o.total) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.total > :low GROUP BY c.city ORDER BY 3 DESC;
\elif :which = 2
SELECT id, note FROM orders WHERE note LIKE '%' || :low || '%' ORDER BY note LIMIT 20;
\elif :which = 3
UPDATE orders SET status = 'sent' WHERE id IN (SELECT id FROM orders WHERE status = 'paid' AND total BETWEEN :low AND :low + 5 LIMIT 50);
\else
SELECT status, percentile_cont(0.95) WITHIN GROUP (ORDER BY total) FROM orders WHERE customer_id % 7 = :city GROUP BY status;
\endif
