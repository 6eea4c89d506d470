select *
from {relation}
limit 10
