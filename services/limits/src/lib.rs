//! How often and how much: rates, streams at once and daily budgets, shared through Redis.
