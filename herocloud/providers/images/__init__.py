"""Images, disks, volumes and seeds on a Linux host, all of them inside the data folder.

The engine reaches it through `driving` and `observing` only. What is there is told by small mark files beside the objects, never by a
database: whoever moves, copies or deletes a disk by hand moves, copies or deletes what is known of it.
"""
