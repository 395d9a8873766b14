"""history"""
FIGURES = ()
def measure(install, size):
    return []
