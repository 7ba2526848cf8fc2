"""schemac: the schema compiler. Reads proto/ and schemas/, writes C, reference pages and test vectors."""
