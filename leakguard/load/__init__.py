"""Files into nouns: rules, configuration, allowances, and the compiled pack of them."""
