"""LangChain: the agent, the models and their retries, tool policy, the demo model."""
