"""The shop's services. They are copied to a folder of their own and run there, as any application would."""
