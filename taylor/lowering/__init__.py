"""From circuits to programs: where every tensor's elements lie, and which loops calculate them."""
