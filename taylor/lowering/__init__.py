"""From circuits to programs: where every tensor's elements live, and which loops calculate them."""
